"""A listing in pieces: what has to be read of each one is what workers get at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ssgan.data.sources.listing import I64, Files

TO_READ = -1

Recall = Callable[[Files], I64]  # (N,) for N consecutive files of a listing: what a batch knows of them


class FileBatch(NamedTuple):
    """N consecutive files. ``known``: (N,) where it stands what each one is; TO_READ: it has to be read."""

    files: Files
    known: I64

    @property
    def unread(self) -> I64:
        """(U,) positions of the files that have to be read."""
        return np.flatnonzero(self.known == TO_READ)

    def cut(self, size: int) -> Iterator[FileBatch]:
        """Parts with up to ``size`` files that have to be read, and those between them that have not."""
        ends = (self.unread[size - 1 : -1 : size] + 1).tolist()
        for start, stop in pairwise([0, *ends, len(self.known)]):
            yield FileBatch(self.files.cut(start, stop), self.known[start:stop])


def all_to_read(files: Files) -> I64:
    """Nothing is known."""
    return np.full(len(files), TO_READ, np.int64)
