"""Shards that are being made: features in mapped files, so that a stage which was killed goes on from there.

Letters: N rows of a shard, W bytes of a row's features, n rows of all these shards that are given or asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.data.digests import Digests
from ssgan.data.schema import binary
from ssgan.features.files import ROW_GROUP_BYTES

I64 = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Part:
    """A shard that is being made: its features in a mapped file, and beside it which rows are there already.

    It is named after the ids, so that only the same shard goes on from it.
    """

    def __init__(self, folder: Path, name: str, ids: Digests, width: int) -> None:
        self.ids = ids
        stem = f".{Path(name).stem}-{hashlib.sha256(ids.tobytes()).hexdigest()[:12]}-{width}"
        features, done = folder / f"{stem}.part", folder / f"{stem}.done"
        self._paths = [done, features]  # removed in this order: what says that rows are there never outlives them
        if not features.exists():
            done.unlink(missing_ok=True)
        self.features: Any = self._mapped(features, (len(ids), width))
        self.done: Any = self._mapped(done, (len(ids),))

    @staticmethod
    def _mapped(path: Path, shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape))
        if not path.exists() or path.stat().st_size != size:
            with path.open("wb") as file:
                file.truncate(size)
        return np.memmap(path, np.uint8, "r+", shape=shape)

    def put(self, rows: I64, features: Bytes) -> None:
        """Features (n, W) of some rows."""
        self.features[rows] = features
        self.done[rows] = 1

    def table(self, layout: pa.Schema) -> Iterator[pa.Table]:
        """The shard, one row group after the other."""
        width = self.features.shape[1]
        step = max(1, ROW_GROUP_BYTES // width)
        for start in range(0, len(self.ids), step):
            some = slice(start, start + step)
            columns = [binary(self.ids[some]), binary(np.asarray(self.features[some]))]
            yield pa.Table.from_arrays(columns, schema=layout)

    def remove(self) -> None:
        """It is not needed any more: neither the files nor their room on the disk, which a mapping would keep."""
        del self.features, self.done
        for path in self._paths:
            path.unlink(missing_ok=True)


class Parts:
    """All shards that are being made; their rows are numbered through.

    Attributes:
        named: by file name.
        rows: of all of them.
    """

    def __init__(self, folder: Path, ids: dict[str, Digests], width: int) -> None:
        self.named = {name: Part(folder, name, one, width) for name, one in ids.items()}
        self._names = list(ids)
        self._starts = np.cumsum([0, *map(len, ids.values())])
        self.rows = int(self._starts[-1])

    def unread(self) -> Iterator[tuple[str, I64, I64]]:
        """Of one shard after the other: its name, the rows without features, and their numbers."""
        for (name, part), start in zip(self.named.items(), self._starts, strict=False):
            rows = np.flatnonzero(part.done == 0)
            yield name, rows, rows + start

    def place(self, number: int) -> tuple[str, int]:
        """Name of the shard, and row in it."""
        shard = int(np.searchsorted(self._starts, number, "right")) - 1
        return self._names[shard], number - int(self._starts[shard])

    def digest(self, number: int) -> bytes:
        """The id of an image."""
        name, row = self.place(number)
        return self.named[name].ids[row].tobytes()

    def put(self, numbers: I64, features: Bytes) -> list[str]:
        """Features (n, W) of some rows. Returns the names of the shards they are in."""
        shards = np.searchsorted(self._starts, numbers, "right") - 1
        touched = np.unique(shards).tolist()
        for shard in touched:
            here = shards == shard
            self.named[self._names[shard]].put(numbers[here] - self._starts[shard], features[here])
        return [self._names[shard] for shard in touched]
