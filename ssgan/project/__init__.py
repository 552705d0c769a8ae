"""The upkeep of a project's folder.

doctor.py        is the machine fit, is everything in place?
checks.py        do labels and networks allow a training?
plan.py          what `dvc repro` would run, why, and for about how long
first_labels.py  the way of a project without any label
remove.py        images leave for good
runs.py          all runs that were evaluated, from git, experiments and the workspace
stage_times.py   how long each stage took
"""
