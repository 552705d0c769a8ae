"""Temporary folders that do not outlive their process, however it ends.

All of a process lie in one folder, which it keeps locked. A process that is killed leaves its folder behind, unlocked; the next
one that makes such a folder removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "ssgan-scratch-"
SETTLED_S = 60.0  # a younger folder may not be locked yet by who has just made it

_roots: dict[tuple[int, str], Path] = {}  # by process, since a forked one makes its own, and where temporary files lie


def make(name: str) -> Path:
    """A new folder; whoever asks for it removes it."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_root()))


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    """A new folder that is removed with the block."""
    path = make(name)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _root() -> Path:
    """That of this process."""
    key = os.getpid(), tempfile.gettempdir()
    found = _roots.get(key)
    if found is None or not found.is_dir():
        sweep()
        found = _roots[key] = Path(tempfile.mkdtemp(prefix=PREFIX))
        _lock(found)  # until the process ends: the handle is never closed
        atexit.register(_remove, os.getpid(), found)
    return found


def _remove(process: int, path: Path) -> None:
    if process == os.getpid():  # a forked process inherits what is to be done at the end
        shutil.rmtree(path, ignore_errors=True)


def _lock(path: Path) -> int | None:
    """A handle that holds the lock of a folder; None where another process does, or the folder is gone or another user's."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def sweep() -> None:
    """Remove what processes that were killed have left here."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > SETTLED_S and (handle := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(handle)
