"""Several files and folders that take the place of older ones all together, also when the process is killed on the way.

out/.ingest-building/NAME   being written; worth nothing, removed by whoever comes next
out/.ingest-ready/NAME      complete; whoever comes next finishes to put them in place
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ssgan.errors import DataError

BUILDING, READY = ".ingest-building", ".ingest-ready"


@contextmanager
def replacing_all(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """A new folder; what it holds under ``names`` replaces what ``out`` holds there, if all goes well.

    Raises:
        DataError: another process is doing the same.
    """
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        finish(out, names)
        building = out / BUILDING
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        try:
            yield building
            building.rename(out / READY)
            finish(out, names)
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is inside for the same folder. The system lets go of the lock when the process ends, however it does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DataError(f"another ingest or removal is writing into {folder}; wait until it has ended") from None
    finally:
        os.close(handle)


def finish(out: Path, names: Sequence[str]) -> None:
    """Put in place what is complete but not in place yet. A folder cannot be renamed over a full one: it steps aside first."""
    ready = out / READY
    if not ready.is_dir():
        return
    for name in names:
        if (ready / name).exists():
            if (out / name).is_dir():
                (out / name).rename(ready / f"old-{name}-{os.getpid()}")
            (ready / name).rename(out / name)
    shutil.rmtree(ready)


def require_finished(out: Path) -> None:
    """Raises DataError where some of the files of ``out`` are newer than the others, because a process was killed."""
    if (out / READY).is_dir():
        raise DataError(f"an ingest was killed while it put its results into {out}; run `dvc repro ingest` to complete them")
