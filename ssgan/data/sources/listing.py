"""A listing in columns: a file that has not changed since the last ingest costs hardly more than asking for its times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.data.row_writer import binary_column
from ssgan.data.sources import ImageSource, Item, Problem

I64 = npt.NDArray[np.int64]
Place = tuple[str | None, str | None]  # folder_class, official_split

LONGEST_BATCH = 4096  # files of one piece of a listing, at least as many as a pool takes at once
STAMP = 4  # numbers
UNKNOWN = -1  # in place of a size


@dataclass(frozen=True, eq=False)
class Files:
    """N consecutive files of a listing.

    Attributes:
        paths: N, relative to the source.
        sizes: (N,) bytes; UNKNOWN where the listing does not tell.
        stamps: (N, STAMP), which differ as soon as the bytes do (see ``ssgan.data.ingest_index``); zeros: no such promise.
        where: (N,) which of ``places`` each file has.
        problems: why a file cannot be read, by path.
    """

    paths: list[str]
    sizes: I64
    stamps: I64
    where: I64
    places: list[Place]
    problems: dict[str, Problem]

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def encoded(self) -> pa.Array:
        """(N,) paths as bytes: names may hold any, and in this form their order is that of the text."""
        end = "\0"  # which no name holds, so that all are encoded at once
        data = np.frombuffer(end.join([*self.paths, ""]).encode("utf-8", "surrogatepass"), np.uint8)
        ends = np.flatnonzero(data == 0) - np.arange(len(self))
        return binary_column(data[data != 0], ends, pa.binary())

    def items(self, at: Sequence[int] | None = None) -> list[Item]:
        """The files at these positions, or all of them."""
        sizes, where, found = self.sizes.tolist(), self.where.tolist(), []
        for i in range(len(self)) if at is None else at:
            path, size, (folder_class, split) = self.paths[i], sizes[i], self.places[where[i]]
            found.append(Item(path, None if size == UNKNOWN else size, folder_class, split, self.problems.get(path)))
        return found

    def cut(self, start: int, stop: int) -> Files:
        """Those from ``start`` to before ``stop``."""
        if (start, stop) == (0, len(self)):
            return self
        span = slice(start, stop)
        columns = (self.paths[span], self.sizes[span], self.stamps[span], self.where[span])
        return Files(*columns, self.places, self.problems)


@runtime_checkable
class InColumns(Protocol):
    """A source that lists without making items."""

    def files(self) -> Iterator[Files]:
        """As ``items``, in pieces of any length."""


def listed(source: ImageSource) -> Iterator[Files]:
    """Every file of a source, in pieces of LONGEST_BATCH. Raises DataError, StorageError."""
    if isinstance(source, InColumns):
        yield from _pieces(source.files())
        return
    items = source.items()
    while piece := list(islice(items, LONGEST_BATCH)):
        yield of_items(piece)


def of_items(items: Sequence[Item]) -> Files:
    """Items as columns."""
    places = {(item.folder_class, item.official_split): 0 for item in items}
    number = {place: i for i, place in enumerate(places)}
    stamps = b"".join(hashlib.sha256(item.stamp.encode()).digest() if item.stamp else bytes(8 * STAMP) for item in items)
    return Files(
        [item.path for item in items],
        np.array([UNKNOWN if item.size is None else item.size for item in items], np.int64),
        np.frombuffer(stamps, np.int64).reshape(-1, STAMP),
        np.array([number[item.folder_class, item.official_split] for item in items], np.int64),
        list(places),
        {item.path: item.problem for item in items if item.problem},
    )


def _pieces(parts: Iterable[Files]) -> Iterator[Files]:
    """The same files, LONGEST_BATCH at once."""
    waiting: list[Files] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count >= LONGEST_BATCH:
            whole = _joined(waiting)
            ends = range(LONGEST_BATCH, count + 1, LONGEST_BATCH)
            yield from (whole.cut(end - LONGEST_BATCH, end) for end in ends)
            waiting, count = [whole.cut(ends[-1], count)], count - ends[-1]
    if count:
        yield _joined(waiting)


def _joined(parts: list[Files]) -> Files:
    number: dict[Place, int] = {}
    where = [np.array([number.setdefault(p, len(number)) for p in part.places])[part.where] for part in parts]
    return Files(
        [path for part in parts for path in part.paths],
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.stamps for part in parts]),
        np.concatenate(where),
        list(number),
        {path: why for part in parts for path, why in part.problems.items()},
    )
