"""Accepted images on their way into ``images/*.parquet``: collected up to one shard, sorted by id, written.

Memory is bounded by one shard and its sorted copy, whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import MIB, ImageSpec
from ssgan.data.schema import duplicates_schema, images_schema

ROW_GROUP_BYTES = 4 * MIB  # of pixels: the unit that loaders read and shuffle
COMPRESSION = "NONE"


class ImageRow(NamedTuple):
    """All columns of one image but its pixels and its hash."""

    id: str
    path: str
    height: int
    width: int
    mode: str
    folder_class: str | None
    official_split: str | None


class ShardWriter:
    """Writes ``00000.parquet``, ``00001.parquet``, ... into a folder. ``close`` writes the rest."""

    def __init__(self, folder: Path, spec: ImageSpec, classes: list[str], shard_bytes: int) -> None:
        self._folder, self._spec = folder, spec
        self._schema = images_schema(spec, classes)
        self._capacity = max(1, shard_bytes // spec.bytes)
        self._group = max(1, ROW_GROUP_BYTES // spec.bytes)
        self._rows: list[ImageRow] = []
        self._pixels = np.empty((self._capacity, *spec.shape), np.uint8)  # the system hands out pages as they are filled
        self._hashes = np.empty(self._capacity, np.uint64)
        self.shards = 0
        folder.mkdir(parents=True)

    def add(self, rows: list[ImageRow], pixels: npt.NDArray[np.uint8], hashes: npt.NDArray[np.uint64]) -> None:
        """Append rows with their (N, C, S, S) pixels and (N,) hashes."""
        start = 0
        while start < len(rows):
            used = len(self._rows)
            stop = min(len(rows), start + self._capacity - used)
            self._pixels[used : used + stop - start] = pixels[start:stop]
            self._hashes[used : used + stop - start] = hashes[start:stop]
            self._rows.extend(rows[start:stop])
            start = stop
            if len(self._rows) == self._capacity:
                self._flush()

    def close(self) -> None:
        """Write what has not been written."""
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        n = len(self._rows)
        order = sorted(range(n), key=[row.id for row in self._rows].__getitem__)
        path = self._folder / f"{self.shards:05d}.parquet"
        options: dict[str, Any] = {"compression": COMPRESSION, "use_dictionary": ["mode", "folder_class", "official_split"]}
        with pq.ParquetWriter(path, self._schema, write_statistics=["id"], **options) as writer:
            for start in range(0, n, self._group):
                writer.write_table(self._table(order[start : start + self._group]), row_group_size=self._group)
        self._rows = []
        self.shards += 1

    def _table(self, order: list[int]) -> pa.Table:
        columns = list(zip(*(self._rows[i] for i in order), strict=True))
        arrays = [_column(column, self._schema.field(i).type) for i, column in enumerate(columns)]
        pixels = pa.py_buffer(self._pixels[order])  # the gathered copy is the buffer: it is not copied again
        arrays += [_numbers(self._hashes[order], pa.uint64())]
        arrays += [pa.FixedSizeBinaryArray.from_buffers(pa.binary(self._spec.bytes), len(order), [None, pixels])]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """What ``pa.array`` makes of text, flags and int32, without the half second in which that imports pandas."""
    if kind == pa.int32():
        return _numbers(np.array(values, np.int32), kind)
    if kind != pa.string():
        return pa.array(values, kind)
    distinct = dict.fromkeys(values)
    if len(distinct) > 100 and None not in distinct:
        return _texts(values)
    builder = pa.lib.StringBuilder()  # slow per value: a few classes are built once and taken many times
    builder.append_values(list(distinct))
    code = {value: i for i, value in enumerate(distinct)}
    return builder.finish().take(_numbers(np.array([code[value] for value in values], np.int32), pa.int32()))


def _texts(values: Sequence[str]) -> pa.Array:
    encoded = [value.encode() for value in values]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int32, len(encoded)), dtype=np.int32)
    starts = pa.py_buffer(b"\x00\x00\x00\x00" + ends.tobytes())
    return pa.Array.from_buffers(pa.string(), len(values), [None, starts, pa.py_buffer(b"".join(encoded))])


def _numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])


class RowWriter:
    """Writes a table of small rows in batches, so that a million rejected files need no memory."""

    def __init__(self, path: Path, schema: pa.Schema, batch: int = 10_000) -> None:
        self._schema, self._batch = schema, batch
        self._writer = pq.ParquetWriter(path, schema)
        self._rows: list[tuple[Any, ...]] = []
        self.rows = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Append one row, in the order of the schema."""
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) == self._batch:
            self._flush()

    def close(self) -> None:
        """Write the rest and the footer."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [_column(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def finish_duplicates(found: Path, images: Path, out: Path) -> tuple[int, int]:
    """Add the kept twin of every duplicate in ``found``, read from the shards in ``images``, and write ``out``.

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
    twins = [pq.read_table(shard, columns=names, filters=pc.field("id").isin(ids)) for shard in shards]
    kept = pa.concat_tables([twin.cast(duplicates.schema) for twin in twins])
    pairs = duplicates.join(kept, "id", right_suffix="_kept")
    across = [pc.sum(pc.not_equal(pairs[c], pairs[f"{c}_kept"])).as_py() or 0 for c in names[2:]]
    parts = [part.append_column("kept", pa.repeat(value, len(part))) for part, value in ((kept, True), (duplicates, False))]
    rows = pa.concat_tables(parts).sort_by([("id", "ascending"), ("kept", "descending"), ("path", "ascending")])
    pq.write_table(rows.cast(duplicates_schema()), out)
    return across[0], across[1]
