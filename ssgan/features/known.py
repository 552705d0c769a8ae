"""What an earlier run of the stage has left: whole shards, and the part of one that was being made.

Letters: N rows of a shard, W bytes of a row's features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data.digests import NONE, DigestMap, Digests, from_binary
from ssgan.features.files import KEY, ROW_GROUP_BYTES, binary, fixed

I64 = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Earlier:
    """The shards that were in a folder when the stage began, of the same backbone and views; they stay readable to its end.

    ``ids``: of each shard by its file name, (N, 32).
    """

    def __init__(self, folder: Path, layout: pa.Schema) -> None:
        self._open: list[pq.ParquetFile] = []
        self.ids: dict[str, Digests] = {}
        for path in sorted(folder.glob("*.parquet")):
            try:  # opened now: a file that is replaced meanwhile stays readable
                parquet = pq.ParquetFile(path, page_checksum_verification=True)
                ids = from_binary(parquet.read(columns=["id"])["id"])
            except (pa.ArrowInvalid, OSError):
                continue  # damaged: made again
            if parquet.schema_arrow.metadata.get(KEY) == layout.metadata[KEY]:
                self._open.append(parquet)
                self.ids[path.name] = ids
        every = [*self.ids.values()]
        self._rows = DigestMap(np.concatenate(every), np.arange(sum(map(len, every)))) if every else None

    def has(self, name: str, ids: Digests) -> bool:
        """Whether a shard holds these images, in this order."""
        return name in self.ids and np.array_equal(ids, self.ids[name])

    def rows(self, ids: Digests) -> I64:
        """(N,) a number for each image that has features; NONE for the others."""
        return self._rows.get(ids) if self._rows else np.full(len(ids), NONE, np.int64)

    def copy(self, rows: I64, out: Bytes) -> None:
        """Write the features of the images that have some, as numbered by ``rows``, into (N, W)."""
        start = 0
        for parquet in self._open:
            for number in range(parquet.num_row_groups):
                stop = start + parquet.metadata.row_group(number).num_rows
                hit = np.flatnonzero((rows >= start) & (rows < stop))
                if len(hit):
                    values = fixed(parquet.read_row_group(number, columns=["features"])["features"]).view(np.uint8)
                    out[hit] = values[rows[hit] - start]
                start = stop


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
        """It is not needed any more."""
        for path in self._paths:
            path.unlink(missing_ok=True)
