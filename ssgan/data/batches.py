"""A listing in pieces: what has to be read of each one is what workers get at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.data.sources import Item

I64 = npt.NDArray[np.int64]

LONGEST_BATCH = 4096  # items, at least as many as a pool takes at once
TO_READ = -1

Recall = Callable[[list[Item]], I64]  # (N,) for N consecutive items of a listing: what a batch knows of them


class FileBatch(NamedTuple):
    """N consecutive items of a listing. ``known``: (N,) where it stands what each one is; TO_READ: it has to be read."""

    items: list[Item]
    known: I64

    @property
    def unread(self) -> I64:
        """(U,) positions of the items that have to be read."""
        return np.flatnonzero(self.known == TO_READ)

    def cut(self, size: int) -> Iterator[FileBatch]:
        """Parts with up to ``size`` items that have to be read, and those between them that have not."""
        ends = (self.unread[size - 1 : -1 : size] + 1).tolist()
        for start, stop in pairwise([0, *ends, len(self.items)]):
            yield FileBatch(self.items[start:stop], self.known[start:stop])


def batches(items: Iterator[Item], recall: Recall) -> Iterator[FileBatch]:
    """A listing in pieces of LONGEST_BATCH items."""
    while piece := list(islice(items, LONGEST_BATCH)):
        yield FileBatch(piece, recall(piece))


def all_to_read(items: list[Item]) -> I64:
    """Nothing is known."""
    return np.full(len(items), TO_READ, np.int64)
