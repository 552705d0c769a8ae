"""The way into Ray.

connection.py   the cluster at RAY_ADDRESS, or a local Ray that ends with the work
versions.py     is every node what the driver, or the submitter, thinks it is?
resources.py    how many workers have room
tasks.py        the outcome of a task, or an error
jobs.py         jobs submitted to a cluster
"""
