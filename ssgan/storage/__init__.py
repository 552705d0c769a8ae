"""Folders of this machine and S3 with the same promises; the only importer of an S3 client.

store.py        whole folders under keys, complete or invisible; opens any storage URL
write_once.py   keys that are written once, also by two writers at the same time
lease.py        one writer per run: a lease that is renewed, runs out, and is looked at before each write
manifest.py     names, sizes and hashes of a folder's files
retries.py      which faults pass, how long to wait for them, and how to name those that do not
local.py        objects in a folder
s3.py           objects in a bucket
s3_files.py     a bucket as a file system for readers
"""

from __future__ import annotations

import os


def is_s3(url: str) -> bool:
    """Whether it names a bucket, rather than a folder of this machine."""
    return url.startswith("s3://")


def absolute(url: str) -> str:
    """The same for a process in another folder, where a relative path would be another one."""
    return url if "://" in url else os.path.abspath(os.path.expanduser(url))
