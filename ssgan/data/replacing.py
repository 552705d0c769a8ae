"""Several files and folders that take the place of older ones all together, also when the process is killed on the way.

out/.ingest-building/NAME   being written; worth nothing, removed by whoever comes next
out/.ingest-ready/NAME      complete; whoever comes next finishes to put them in place
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ssgan import atomic
from ssgan.errors import DataError

BUILDING, READY = ".ingest-building", ".ingest-ready"


@contextmanager
def replacing_all(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """A new folder; what it holds under ``names`` replaces what ``out`` holds there, if all goes well.

    Raises:
        DataError: another process is doing the same.
    """
    out.mkdir(parents=True, exist_ok=True)
    with exclusive(out):
        finish(out, names)
        building = out / BUILDING
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        try:
            yield building
            for written in building.rglob("*"):
                atomic.sync(written)
            building.rename(out / READY)
            atomic.sync(out)
            finish(out, names)
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """No other ingest or removal is inside for the same folder. Raises DataError where one is."""
    busy = DataError(f"another ingest or removal is writing into {folder}; wait until it has ended")
    with atomic.exclusive(folder, busy):
        yield


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
    atomic.sync(out)
    shutil.rmtree(ready)


def require_finished(out: Path) -> None:
    """Raises DataError where some of the files of ``out`` are newer than the others, because a process was killed."""
    if (out / READY).is_dir():
        raise DataError(f"an ingest was killed while it put its results into {out}; run `dvc repro ingest` to complete them")
