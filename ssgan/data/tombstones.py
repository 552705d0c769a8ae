"""Images that must not come back: ``removed.csv``, under git, one line for each, by sha256 alone.

A hash of the bytes tells nothing about the picture to whoever does not have it, but makes ``ingest`` refuse the file. The
column ``trained`` names the run in runs/train at that time, if it was trained on the image: its models still know of it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ssgan import atomic
from ssgan.errors import DataError

FILE = Path("removed.csv")
HEADER = "sha256,removed_on,reason,trained"


def load(path: Path = FILE) -> frozenset[bytes]:
    """The sha256 of every removed image; none where there is no file. Raises DataError naming an invalid line."""
    if not path.exists():
        return frozenset()
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    for number, row in enumerate(rows[1:], 2):
        if row and not re.fullmatch("[0-9a-f]{64}", row[0]):
            raise DataError(f"{path}, line {number} begins with {row[0]!r}, which is not a sha256; restore the file from git")
    return frozenset(bytes.fromhex(row[0]) for row in rows[1:] if row)


def add(digests: Iterable[str], day: str, reason: str, trained: Mapping[str, str], path: Path = FILE) -> None:
    """Append images, in one step; those that stand there already are left alone.

    Args:
        digests: hex sha256.
        trained: the run that was trained on an image, by hex sha256.
    """
    known = load(path)
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER + "\n"
    lines = io.StringIO(newline="")
    fresh = sorted(one for one in set(digests) if bytes.fromhex(one) not in known)
    csv.writer(lines, lineterminator="\n").writerows((one, day, reason, trained.get(one, "")) for one in fresh)
    atomic.write_text(path, text + lines.getvalue())
