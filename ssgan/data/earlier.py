"""The shards of an earlier ingest: which of their images stay, and what is done about those that do not.

    every image of a shard stays as it is   the file is kept: the same bytes, the same inode
    all stay, some lie elsewhere now        its index is written anew
    some went                               shard and index are written anew under their name; pixels are copied, not decoded
    none stays                              the shard is gone

New images go into new shards. So that many small additions do not leave many small files, a shard below half of its size is
taken into the new one as long as it is smaller than twice what is to be written anyway: small shards then at least double in
size from one to the next, so there are never more than log2(capacity) of them, and an image is copied as often at most.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.data.digests import I64
from ssgan.data.image_shards import IMAGES, INDEX, SCHEMAS, ImageBatch, ImageRow, ShardWriter
from ssgan.data.index import signatures_of
from ssgan.data.recipe import DecodeRecipe
from ssgan.data.row_writer import column, numbers, values
from ssgan.data.schema import METADATA_KEY, ROWS_KEY, fixed, pixels_to_numpy
from ssgan.data.signatures import Signatures
from ssgan.data.sources.listing import Files
from ssgan.errors import DataError

Mask = npt.NDArray[np.bool_]

PLACE = ["path", "folder_class", "official_split"]  # columns that do not follow from the bytes
Place = tuple[str, str | None, str | None]
NO_NAME = "/"  # stands for null where columns are compared: no class is called so
MERGE_BELOW = 2  # times what is to be written anyway


class Shard(NamedTuple):
    """One file of images and its index; ``first`` is the number of its first row among all rows."""

    name: str
    first: int
    rows: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + self.rows)


class PreviousShards:
    """Shards in ``folder`` that were made by ``recipe``. Others, and what is no shard with its index, are ignored.

    ``digests``: (N, 32) the sha256 of all their rows.
    """

    def __init__(self, folder: Path, recipe: DecodeRecipe) -> None:
        self._folder, self._recipe = folder, recipe
        self.shards: list[Shard] = []
        layout = SCHEMAS[INDEX](recipe.spec, recipe.made_by())
        tables = [pa.Table.from_batches([], pa.schema([layout.field(name) for name in ("id", *PLACE)]))]
        for path in sorted((folder / IMAGES).glob("*.parquet")):
            with suppress(OSError, pa.ArrowInvalid):
                images = pq.read_schema(path).metadata or {}
                with pq.ParquetFile(folder / INDEX / path.name) as file:
                    found = file.schema_arrow.metadata or {}
                    table = file.read(["id", *PLACE]).replace_schema_metadata()
                one_recipe = images.get(METADATA_KEY) == found.get(METADATA_KEY) == layout.metadata[METADATA_KEY]
                if one_recipe and images.get(ROWS_KEY) == found.get(ROWS_KEY):
                    self.shards.append(Shard(path.name, sum(map(len, tables)), len(table)))
                    tables.append(table)
        rows = pa.concat_tables(tables).combine_chunks()
        self.digests = fixed(rows["id"])
        self._places = rows.select(PLACE)
        self._stays = np.zeros(len(rows), np.bool_)
        self._moved: dict[int, Place] = {}

    @property
    def next_number(self) -> int:
        """Above the numbers of all shards."""
        return 1 + max((int(stem) for shard in self.shards if (stem := Path(shard.name).stem).isdigit()), default=-1)

    def keep_unmoved(self, rows: I64, files: Files) -> Mask:
        """(M,) which of M files keep their image as it is: the only one of them with that image, and where it lay before.

        ``rows``: (M,) of each file's image; negative: of none. All other files are left to ``keep``.
        """
        kept = np.zeros(len(rows), np.bool_)
        some = np.flatnonzero(rows >= 0)
        if not len(some):
            return kept
        _, first, counts = np.unique(rows[some], return_index=True, return_counts=True)
        once = np.sort(some[first[counts == 1]])
        once = once[~self._stays[rows[once]]]
        kept[once] = self._unmoved(rows[once], files, once)
        self._stays[rows[kept]] = True
        return kept

    def _unmoved(self, rows: I64, files: Files, at: I64) -> Mask:
        before, where = self._places.take(numbers(rows, pa.int64())), numbers(files.where[at], pa.int64())
        # a name that is not UTF-8 is none of a shard's, which are spelled out: `keep` compares it
        same = [pc.equal(before["path"].cast(pa.binary()), files.encoded.take(numbers(at, pa.int64())))]
        no_name = column([NO_NAME], pa.string())[0]  # ``fill_null`` makes a scalar by importing pandas
        for name, texts in zip(PLACE[1:], zip(*files.places, strict=True), strict=True):
            now = column(texts, pa.string()).take(where)
            same.append(pc.equal(before[name].fill_null(no_name), now.fill_null(no_name)))
        return np.logical_and.reduce([values(one) for one in same])

    def keep(self, row: int, place: Place) -> bool:
        """The image in this row stays, at this place. Returns False where it stays already: the first place counts."""
        if self._stays[row]:
            return False
        self._stays[row] = True
        if tuple(one[row].as_py() for one in self._places.columns) != place:
            self._moved[row] = place
        return True

    def carry(self, writer: ShardWriter, folder: Path) -> int:
        """Bring what stays into ``folder``; small shards go into ``writer``. Returns how many shards of images were kept."""
        staying = sorted((int(self._stays[s.span].sum()), s) for s in self.shards if self._stays[s.span].any())
        moved = np.array(sorted(self._moved), np.int64)
        kept = 0
        for count, shard in staying:
            touched = np.searchsorted(moved, shard.first) < np.searchsorted(moved, shard.first + shard.rows)
            if 2 * count < writer.capacity and count < MERGE_BELOW * writer.waiting:
                writer.add(self._kept_images(shard))
            elif count < shard.rows:
                writer.write(shard.name, self._kept_images(shard))
            else:
                _link(self._folder / IMAGES / shard.name, folder / IMAGES / shard.name)
                kept += 1
                if touched:
                    writer.write_index(shard.name, *self._index(shard))
                else:
                    _link(self._folder / INDEX / shard.name, folder / INDEX / shard.name)
        return kept

    def _kept_images(self, shard: Shard) -> ImageBatch:
        """The images of a shard that stay."""
        stays, (rows, known) = self._stays[shard.span], self._index(shard)
        pixels = np.empty((int(stays.sum()), *self._recipe.spec.shape), np.uint8)
        start = end = 0
        for table in self._read(IMAGES, shard, ["pixels"]):
            some = stays[start : start + len(table)]
            start, first, end = start + len(table), end, end + int(some.sum())
            pixels[first:end] = pixels_to_numpy(table["pixels"], self._recipe.spec)[some]
        return ImageBatch(list(compress(rows, stays)), pixels, known.take(stays))

    def _index(self, shard: Shard) -> tuple[list[ImageRow], Signatures]:
        """What is known of a shard's images, at their places of today."""
        table = pa.concat_tables(self._read(INDEX, shard, None))
        columns = [table[name].to_pylist() for name in ImageRow._fields]
        rows = [self._at_its_place(shard.first + i, ImageRow(*row)) for i, row in enumerate(zip(*columns, strict=True))]
        return rows, signatures_of(table)

    def _read(self, kind: str, shard: Shard, columns: list[str] | None) -> Iterator[pa.Table]:
        """The row groups of a file. Raises DataError where it is damaged."""
        path = self._folder / kind / shard.name
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, columns=columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} is damaged ({error}); delete it and run ingest again, which decodes its images") from None

    def _at_its_place(self, number: int, row: ImageRow) -> ImageRow:
        if number not in self._moved:
            return row
        path, folder_class, official_split = self._moved[number]
        return row._replace(path=path, folder_class=folder_class, official_split=official_split)


def _link(old: Path, new: Path) -> None:
    """The same file in another folder; a copy where the file system has no hard links."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)
