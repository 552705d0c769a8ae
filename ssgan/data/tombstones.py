"""Images that must not come back: ``removed.csv``, under git, one line for each, by sha256 alone.

A hash of the bytes tells nothing about the picture to whoever does not have it, but makes ``ingest`` refuse the file. The
column ``trained`` names the run in runs/train at that time, if it was trained on the image: its models still know of it.
``paths`` holds the sha256 of each path that the image had, so that a label file that names it is no riddle to ``split``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ssgan import atomic
from ssgan.errors import DataError

FILE = Path("removed.csv")
HEADER = "sha256,removed_on,reason,trained,paths"


class Removed(NamedTuple):
    """images: hex sha256. paths: hex sha256 of the paths that they had."""

    images: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def has(self, image: str, path: str = "") -> bool:
        """Whether a hex sha256, or else a path in the source, is of a removed image."""
        return image in self.images if image else path_sha256(path) in self.paths


def path_sha256(path: str) -> str:
    """How a path is remembered."""
    return hashlib.sha256(path.removeprefix("./").encode("utf-8", "surrogateescape")).hexdigest()


def load(path: Path = FILE) -> frozenset[bytes]:
    """The sha256 of every removed image; none where there is no file. Raises DataError naming an invalid line."""
    return frozenset(map(bytes.fromhex, removed(path).images))


def removed(path: Path = FILE) -> Removed:
    """What was removed. Raises DataError like ``load``."""
    if not path.exists():
        return Removed()
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    for number, row in enumerate(rows[1:], 2):
        if row and not re.fullmatch("[0-9a-f]{64}", row[0]):
            raise DataError(f"{path}, line {number} begins with {row[0]!r}, which is not a sha256; restore the file from git")
    return Removed(
        frozenset(row[0] for row in rows[1:] if row), frozenset(one for row in rows[1:] for one in " ".join(row[4:]).split())
    )


def add(images: Mapping[str, Sequence[str]], day: str, reason: str, trained: Mapping[str, str], path: Path = FILE) -> None:
    """Append images, in one step; those that stand there already are left alone.

    Args:
        images: paths in the source, by hex sha256.
        trained: the run that was trained on an image, by hex sha256.
    """
    known = load(path)
    before = path.read_text(encoding="utf-8").split("\n", 1)[1] if path.exists() else ""
    lines = io.StringIO(newline="")
    fresh = sorted(one for one in images if bytes.fromhex(one) not in known)
    texts = {one: " ".join(map(path_sha256, images[one])) for one in fresh}
    csv.writer(lines, lineterminator="\n").writerows((one, day, reason, trained.get(one, ""), texts[one]) for one in fresh)
    atomic.write_text(path, f"{HEADER}\n{before}{lines.getvalue()}")
