"""Accepted images on their way into ``images/*.parquet`` and ``index/*.parquet``: collected up to one shard, sorted, written.

Memory is bounded by one shard and its sorted copy, whatever the number of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import MIB
from ssgan.data.digests import Digests, digests, draws
from ssgan.data.index import index_schema
from ssgan.data.recipe import DecodeRecipe
from ssgan.data.row_writer import column, numbers
from ssgan.data.schema import ROWS_KEY, binary, duplicates_schema, images_schema, numpy_to_pixels
from ssgan.data.signatures import Signatures

IMAGES, INDEX = "images", "index"  # folders: a shard has the same name and the same rows in both
ROW_GROUP_BYTES = MIB // 4  # of pixels: the unit that is read, and that the streaming loader shuffles
INDEX_ROWS = 65_536  # of a row group
OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": ["mode", "folder_class", "official_split"],
    "write_statistics": ["id"],
    "write_page_checksum": True,  # shards live long: `split` checks them, so that no bit rots unseen
}
SCHEMAS = {IMAGES: images_schema, INDEX: index_schema}


class ImageRow(NamedTuple):
    """All columns of one image but its pixels and what follows from them."""

    id: bytes
    path: str
    height: int
    width: int
    mode: str
    folder_class: str | None
    official_split: str | None
    bits: int = 8
    low: int = 0
    high: int = 255
    damaged: bool = False


class ImageBatch(NamedTuple):
    """N images: their rows with their (N, C, S, S) pixels and signatures."""

    rows: list[ImageRow]
    pixels: npt.NDArray[np.uint8]
    signatures: Signatures


class ShardWriter:
    """Writes ``00000.parquet``, ... into ``images/`` and ``index/`` of a folder, from ``first`` on. ``close`` writes the rest.

    ``waiting`` is how many images have been added, but not written.
    """

    def __init__(self, folder: Path, recipe: DecodeRecipe, shard_bytes: int, first: int = 0) -> None:
        self._folder, self._spec = folder, recipe.spec
        self._layouts = {kind: make(recipe.spec, recipe.made_by()) for kind, make in SCHEMAS.items()}
        self.capacity = max(1, shard_bytes // recipe.spec.bytes)
        self._group = max(1, ROW_GROUP_BYTES // recipe.spec.bytes)
        self._rows: list[ImageRow] = []
        self._pixels = np.empty((self.capacity, *recipe.spec.shape), np.uint8)  # the system hands out pages as they are filled
        self._signatures: list[Signatures] = []
        self._next = first
        for kind in SCHEMAS:
            (folder / kind).mkdir(parents=True, exist_ok=True)

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
            self._signatures.append(batch.signatures.take(slice(start, stop)))
            self._rows.extend(rows[start:stop])
            start = stop
            if len(self._rows) == self.capacity:
                self._flush()

    def close(self) -> None:
        """Write what has not been written."""
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        self.write(f"{self._next:05d}.parquet", ImageBatch(self._rows, self._pixels, Signatures.join(self._signatures)))
        self._rows, self._signatures = [], []
        self._next += 1

    def write(self, name: str, batch: ImageBatch) -> None:
        """One shard of these images, ordered by id, and its index."""
        order = np.array(sorted(range(len(batch.rows)), key=[row.id for row in batch.rows].__getitem__), np.int64)
        rows = [batch.rows[i] for i in order.tolist()]
        ids = digests(row.id for row in rows)
        parts = range(0, len(order), self._group)
        tables = ([binary(ids[at : at + self._group]), batch.pixels[order[at : at + self._group]]] for at in parts)
        layout = of_rows(self._layouts[IMAGES], ids)
        write_shard(self._folder / IMAGES / name, layout, ([one, numpy_to_pixels(pixels)] for one, pixels in tables))
        self.write_index(name, rows, batch.signatures.take(order))

    def write_index(self, name: str, rows: list[ImageRow], known: Signatures) -> None:
        """The index of one shard, whose rows are ordered."""
        layout = of_rows(self._layouts[INDEX], digests(row.id for row in rows))
        write_shard(self._folder / INDEX / name, layout, _index_columns(layout, rows, known))


def _index_columns(layout: pa.Schema, rows: list[ImageRow], known: Signatures) -> Iterator[list[pa.Array]]:
    for start in range(0, len(rows), INDEX_ROWS):
        part, some = known.take(slice(start, start + INDEX_ROWS)), rows[start : start + INDEX_ROWS]
        columns = [column(values, layout.field(i).type) for i, values in enumerate(zip(*some, strict=True))]
        phash, digest, draw = (
            numbers(one, pa.uint64()) for one in (part.phash, part.digest, draws(digests(row.id for row in some)))
        )
        yield [*columns, phash, binary(part.thumbs), digest, draw]


def of_rows(layout: pa.Schema, ids: Digests) -> pa.Schema:
    """The schema of a shard with these rows."""
    return layout.with_metadata({**layout.metadata, ROWS_KEY: hashlib.sha256(ids.tobytes()).hexdigest()})


def write_shard(path: Path, layout: pa.Schema, groups: Iterable[Sequence[pa.Array]]) -> None:
    """A file of row groups, each given by its columns."""
    with pq.ParquetWriter(path, layout, **OPTIONS) as writer:
        for columns in groups:
            writer.write_table(pa.Table.from_arrays(columns, schema=layout))


def finish_duplicates(found: Path, index: Path, out: Path) -> tuple[int, int]:
    """Add the kept copy of every duplicate in ``found``, read from the shards in ``index``, and write ``out``.

    Returns:
        How many duplicates lie in another class folder than the kept file, and how many in another official split.
    """
    names = ["id", "path", "folder_class", "official_split"]
    duplicates = pq.ParquetFile(found).read(columns=names).select(names)
    if not len(duplicates):
        pq.write_table(pa.Table.from_batches([], duplicates_schema()), out)
        return 0, 0
    ids = pc.unique(duplicates["id"])
    shards = sorted(index.glob("*.parquet"))
    copies = [pq.read_table(shard, columns=names, filters=pc.field("id").isin(ids)) for shard in shards]
    kept = pa.concat_tables([copy.cast(duplicates.schema) for copy in copies])
    pairs = duplicates.join(kept, "id", right_suffix="_kept")
    across = [pc.sum(pc.not_equal(pairs[c], pairs[f"{c}_kept"])).as_py() or 0 for c in names[2:]]
    parts = [part.append_column("kept", pa.repeat(value, len(part))) for part, value in ((kept, True), (duplicates, False))]
    rows = pa.concat_tables(parts).sort_by([("id", "ascending"), ("kept", "descending"), ("path", "ascending")])
    pq.write_table(rows.cast(duplicates_schema()), out)
    return across[0], across[1]
