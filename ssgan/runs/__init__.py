"""One training: from parameters and splits to finished, verified models; here, on Ray, or as a job of a cluster.

launch.py       train what is not finished, fetch it, verify it
identity.py     what makes a run the run that it is
start_from.py   the model that a run starts from
inline.py       in this process
on_ray.py       workers of Ray Train
mailbox.py      what travels from workers to their driver
watchdog.py     ends a process whose step hangs
progress.py     the progress on the terminal
submit.py       as a job of a cluster that shares no disk with this machine
bundle.py       what such a job is sent
publish.py      splits for it
"""
