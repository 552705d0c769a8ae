"""Accepted images on their way into ``images/*.parquet``: collected up to one shard, sorted by id, written.

Memory is bounded by one shard and its sorted copy, whatever the number of images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import MIB
from ssgan.data.recipe import DecodeRecipe
from ssgan.data.row_writer import column, numbers
from ssgan.data.schema import duplicates_schema, images_schema

ROW_GROUP_BYTES = 4 * MIB  # of pixels: the unit that loaders read and shuffle
OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": ["mode", "folder_class", "official_split"],
    "write_statistics": ["id"],
    "write_page_checksum": True,  # shards live long: `split` checks them, so that no bit rots unseen
}


class ImageRow(NamedTuple):
    """All columns of one image but its pixels and its hash."""

    id: str
    path: str
    height: int
    width: int
    mode: str
    folder_class: str | None
    official_split: str | None


class ImageBatch(NamedTuple):
    """N images: their rows with their (N, C, S, S) pixels and (N,) hashes."""

    rows: list[ImageRow]
    pixels: npt.NDArray[np.uint8]
    hashes: npt.NDArray[np.uint64]


class ShardWriter:
    """Writes ``00000.parquet``, ``00001.parquet``, ... into a folder, from number ``first`` on. ``close`` writes the rest.

    ``waiting`` is how many images have been added, but not written.
    """

    def __init__(self, folder: Path, recipe: DecodeRecipe, shard_bytes: int, first: int = 0) -> None:
        self._folder, self._spec = folder, recipe.spec
        self._schema = images_schema(recipe.spec, recipe.made_by())
        self.capacity = max(1, shard_bytes // recipe.spec.bytes)
        self._group = max(1, ROW_GROUP_BYTES // recipe.spec.bytes)
        self._rows: list[ImageRow] = []
        self._pixels = np.empty((self.capacity, *recipe.spec.shape), np.uint8)  # the system hands out pages as they are filled
        self._hashes = np.empty(self.capacity, np.uint64)
        self._next = first
        folder.mkdir(parents=True)

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def add(self, batch: ImageBatch) -> None:
        """Append images."""
        rows, start = batch.rows, 0
        while start < len(rows):
            used = len(self._rows)
            stop = min(len(rows), start + self.capacity - used)
            self._pixels[used : used + stop - start] = batch.pixels[start:stop]
            self._hashes[used : used + stop - start] = batch.hashes[start:stop]
            self._rows.extend(rows[start:stop])
            start = stop
            if len(self._rows) == self.capacity:
                self._flush()

    def close(self) -> None:
        """Write what has not been written."""
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        self.write(f"{self._next:05d}.parquet", ImageBatch(self._rows, self._pixels, self._hashes))
        self._rows = []
        self._next += 1

    def write(self, name: str, batch: ImageBatch) -> None:
        """One shard of these images, ordered by id."""
        n = len(batch.rows)
        order = sorted(range(n), key=[row.id for row in batch.rows].__getitem__)
        with pq.ParquetWriter(self._folder / name, self._schema, **OPTIONS) as writer:
            for start in range(0, n, self._group):
                writer.write_table(self._table(batch, order[start : start + self._group]), row_group_size=self._group)

    def _table(self, batch: ImageBatch, order: list[int]) -> pa.Table:
        columns = list(zip(*(batch.rows[i] for i in order), strict=True))
        arrays = [column(values, self._schema.field(i).type) for i, values in enumerate(columns)]
        pixels = pa.py_buffer(batch.pixels[order])  # the gathered copy is the buffer: it is not copied again
        arrays += [numbers(batch.hashes[order], pa.uint64())]
        arrays += [pa.FixedSizeBinaryArray.from_buffers(pa.binary(self._spec.bytes), len(order), [None, pixels])]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def finish_duplicates(found: Path, images: Path, out: Path) -> tuple[int, int]:
    """Add the kept copy of every duplicate in ``found``, read from the shards in ``images``, and write ``out``.

    Returns:
        How many duplicates lie in another class folder than the kept file, and how many in another official split.
    """
    names = ["id", "path", "folder_class", "official_split"]
    duplicates = pq.ParquetFile(found).read(columns=names).select(names)
    if not len(duplicates):
        pq.write_table(pa.Table.from_batches([], duplicates_schema()), out)
        return 0, 0
    ids = pc.unique(duplicates["id"])
    shards = sorted(images.glob("*.parquet"))
    copies = [pq.read_table(shard, columns=names, filters=pc.field("id").isin(ids)) for shard in shards]
    kept = pa.concat_tables([copy.cast(duplicates.schema) for copy in copies])
    pairs = duplicates.join(kept, "id", right_suffix="_kept")
    across = [pc.sum(pc.not_equal(pairs[c], pairs[f"{c}_kept"])).as_py() or 0 for c in names[2:]]
    parts = [part.append_column("kept", pa.repeat(value, len(part))) for part, value in ((kept, True), (duplicates, False))]
    rows = pa.concat_tables(parts).sort_by([("id", "ascending"), ("kept", "descending"), ("path", "ascending")])
    pq.write_table(rows.cast(duplicates_schema()), out)
    return across[0], across[1]
