"""The upkeep of a project's folder.

doctor.py        is the machine fit, is everything in place?
plan.py          what `dvc repro` would run, why, and for about how long
first_labels.py  the way of a project without any label
remove.py        images leave for good
stage_times.py   how long each stage took
"""
