"""The ``ssgan`` command. Thin: each command calls the library or a stage and says in plain words how it went.

    app.py       the list of commands, errors, exit codes
    stages.py    ingest, split, train, evaluate, report
    NAME.py      ssgan NAME, for every other command

Modules import what is heavy (torch, Ray, pyarrow) inside their functions, so that ``ssgan --help`` answers at once.
"""

from ssgan.cli.app import main

__all__ = ["main"]
