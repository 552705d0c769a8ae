"""Class folders: ``cat/1.jpg``, ``dog/deep/2.jpg``. Images are identified by their bytes, so names and places do not matter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ssgan.data.sources.layout import UNLABELED, is_hidden
from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel
from ssgan.ledger.vote import time_text
from ssgan.provenance import file_sha256


def read(folder: Path, parsed: ParsedFile) -> None:
    """Add a label for every file below a class folder.

    Raises:
        DataError: if there is no class folder.
    """
    top = sorted(entry for entry in folder.iterdir())
    classes = [entry for entry in top if entry.is_dir() and not is_hidden(entry.name)]
    named = [entry for entry in classes if entry.name != UNLABELED]
    if not named:
        raise DataError(f"{folder} holds no class folder; an import needs {folder}/CLASS/IMAGE, or a file")
    for entry in top:
        if not entry.is_dir() and not is_hidden(entry.name):
            parsed.skip("files outside of class folders")
    for found in classes:
        for path in _files(found):
            if found.name == UNLABELED:
                parsed.skip(f"files in the folder `{UNLABELED}`")
            else:
                shown = path.relative_to(folder).as_posix()
                parsed.labels.append(RawLabel(file_sha256(path), shown, found.name, shown))


def _files(folder: Path) -> Iterator[Path]:
    for parent, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not is_hidden(name))
        yield from (Path(parent) / name for name in sorted(names) if not is_hidden(name))


def newest_change(folder: Path) -> str:
    """When a file last came into a class folder or left one: the time of the labels."""
    times = [entry.stat().st_mtime for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name)]
    return time_text(datetime.fromtimestamp(max(times, default=folder.stat().st_mtime), UTC))


def fingerprint(labels: list[RawLabel]) -> str:
    """The hash of which bytes lie in which class."""
    return hashlib.sha256("".join(sorted(f"{one.sha256} {one.label}\n" for one in labels)).encode()).hexdigest()
