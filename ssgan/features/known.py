"""What an earlier run of the stage has left: whole shards.

Letters: N rows of a shard, W bytes of a row's features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data.digests import NONE, DigestMap, Digests
from ssgan.data.schema import fixed
from ssgan.features.files import KEY

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
                ids = fixed(parquet.read(columns=["id"])["id"])
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
                    values = fixed(parquet.read_row_group(number, columns=["features"])["features"])
                    out[hit] = values[rows[hit] - start]
                start = stop
