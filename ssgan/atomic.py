"""Files and folders that appear whole or not at all, and survive a power cut once the call has returned.

What is being written lies beside its target, under a name that begins with a dot and ends with ``.part``; nobody reads it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from ssgan.errors import DataError, SsganError


@contextlib.contextmanager
def replaced(path: Path, publish: Callable[[Path, Path], object] = os.replace) -> Iterator[Path]:
    """The path of a new file, to be written inside; it takes the place of ``path`` if all goes well, and vanishes if not.

    Args:
        publish: gives it its name; ``os.link`` in the place of ``os.replace`` raises FileExistsError where there is one.
    """
    part = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        yield part
        sync(part)
        publish(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file by UTF-8 text; line ends are written as they stand."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """A new folder, to be filled inside; it takes the place of ``path`` if all goes well, and vanishes if not.

    What a process that was killed has left of it is taken away first. Raises DataError while another process is at it.
    """
    part, old = (path.with_name(f".{path.name}.{kind}.part") for kind in ("new", "old"))
    busy = DataError(f"another process is writing {path}; wait until it has ended")
    if part.exists():
        with exclusive(part, busy):
            shutil.rmtree(part)
    if old.exists():  # the folder before; killed between two renames
        shutil.rmtree(old) if path.exists() else old.rename(path)
    part.mkdir(parents=True)
    with exclusive(part, busy):
        try:
            yield part
            for written in part.rglob("*"):
                sync(written)
            if path.exists():
                path.rename(old)
            part.rename(path)
            sync(path.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def exclusive(folder: Path, busy: SsganError) -> Iterator[None]:
    """Nobody else is inside for the same folder; raises ``busy`` where somebody is.

    The system lets go of the lock when the process ends, however it does.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
