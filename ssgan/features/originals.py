"""Which original files have to be read: a number for each, found while the source lists its files.

Nothing else is kept of a file: memory is 48 bytes for each of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ssgan.data.digests import NONE, DigestMap, digests
from ssgan.data.sources import ImageSource, Item, text
from ssgan.errors import DataError
from ssgan.features.parts import Parts

LISTED = 4096  # files that are looked up at once


class Original(NamedTuple):
    """A file that has to be read: number of its row, id of the image, and where it is."""

    number: int
    digest: bytes
    item: Item


class Originals:
    """The files of images without features.

    Attributes:
        total: how many.
    """

    def __init__(self, index: Path, parts: Parts) -> None:
        self._index, self._parts = index, parts
        keys, numbers = [np.empty((0, 32), np.uint8)], [np.empty(0, np.int64)]
        for name, rows, of_all in parts.unread():
            if len(rows):
                keys.append(_keys(self._paths(name, rows)))
                numbers.append(of_all)
        self._numbers = DigestMap(np.concatenate(keys), np.concatenate(numbers))
        self.total = sum(map(len, numbers))

    def listed(self, source: ImageSource) -> Iterator[Original]:
        """Those that the source has, in its order."""
        for number, item in self._found(source):
            yield Original(number, self._parts.digest(number), item)

    def require_all(self, source: ImageSource) -> None:
        """Raise DataError where the source has not all of them."""
        if not self.total:
            return
        left = np.zeros(self._parts.rows, bool)
        for _, _, numbers in self._parts.unread():
            left[numbers] = True
        for number, _ in self._found(source):
            left[number] = False
        gone = np.flatnonzero(left)
        if len(gone):
            name, row = self._parts.place(int(gone[0]))
            (path,) = self._paths(name, np.array([row]))
            raise changed(f"{len(gone)} originals are gone, such as {path!r}")

    def _found(self, source: ImageSource) -> Iterator[tuple[int, Item]]:
        listing = source.items()
        while items := list(islice(listing, LISTED)):
            numbers = self._numbers.get(_keys(text(item.path) for item in items))
            for at in np.flatnonzero(numbers != NONE).tolist():
                yield int(numbers[at]), items[at]

    def _paths(self, name: str, rows: npt.NDArray[np.int64]) -> list[str]:
        """Of some rows of a shard of the index."""
        column = pq.read_table(self._index / name, columns=["path"])["path"]
        return list(column.combine_chunks().take(rows).to_pylist())


def changed(what: str) -> DataError:
    """The error where originals are not what ``data/index`` was made from."""
    return DataError(f"{what}, since data/index was made; run `dvc repro ingest`, or bring them back")


def _keys(paths: Iterable[str]) -> npt.NDArray[np.uint8]:
    return digests(hashlib.sha256(path.encode()).digest() for path in paths)
