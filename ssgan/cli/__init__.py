"""The ``ssgan`` command. Thin: each command calls the library or a stage and says in plain words how it went.

    app.py       the list of commands, errors, exit codes
    listing.py   what `ssgan --help` prints: the commands in groups
    stages.py    ingest, split, train, evaluate, report
    NAME.py      the command NAME, or the group of commands

A command's module is imported when the command is asked for, and it imports what is heavy (torch, Ray, pyarrow) inside its
functions, so that ``ssgan COMMAND --help`` answers at once.
"""

from ssgan.cli.app import main

__all__ = ["main"]
