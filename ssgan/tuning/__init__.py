"""The search for better parameters.

space.py           tune.space -> points; checked against the config before anything runs
trials.py          what is recorded of a trial, and which one is the best
study.py           trials <-> Optuna: proposals and the importance of keys
search.py          runs the trials that are missing
job.py             the same as a job of a cluster
proposals.py       what to try next, as a search algorithm of Ray Tune
schedulers.py      which trials are stopped early
on_ray.py          how many trials fit, and the call that runs them
trial_process.py   one trial, in the process that Ray Tune starts for it
trial_log.py       the records of a search, in storage
progress.py        what it prints while it runs
board.py           leaderboard and best.yaml
figures.py         parallel coordinates and importance
apply.py           the best point -> params.yaml, comments kept
"""
