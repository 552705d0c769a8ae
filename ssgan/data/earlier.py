"""The shards of an earlier ingest: which of their images stay, and what is done about those that do not.

    every image of a shard stays as it is   the file is kept: the same bytes, the same inode
    some went, or lie elsewhere now         the shard is written anew under its name; pixels are copied, not decoded
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
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data.image_shards import ImageRow, Pictures, ShardWriter
from ssgan.data.recipe import Recipe
from ssgan.data.schema import METADATA_KEY, images_schema, pixels_to_numpy
from ssgan.errors import DataError

PLACE = ["path", "folder_class", "official_split"]  # columns that do not follow from the bytes
Place = tuple[str, str | None, str | None]
MERGE_BELOW = 2  # times what is to be written anyway


class Shard(NamedTuple):
    """One file; ``first`` is the number of its first row among all rows."""

    path: Path
    first: int
    rows: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + self.rows)


class Earlier:
    """Shards in ``folder`` that were made by ``recipe``. Others, and what is no shard at all, count as not there."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._recipe = recipe
        self.shards: list[Shard] = []
        self.row_of: dict[bytes, int] = {}
        self._places: list[Place] = []
        metadata = images_schema(recipe.spec, recipe.made_by()).metadata[METADATA_KEY]
        for path in sorted(folder.glob("*.parquet")):
            with suppress(OSError, pa.ArrowInvalid), pq.ParquetFile(path) as file:
                if (file.schema_arrow.metadata or {}).get(METADATA_KEY) == metadata:
                    self._add(path, file.read(["id", *PLACE]))
        self._stays = bytearray(len(self._places))
        self._moved: dict[int, Place] = {}

    def _add(self, path: Path, table: pa.Table) -> None:
        first = len(self._places)
        self.shards.append(Shard(path, first, table.num_rows))
        self.row_of.update((bytes.fromhex(one), first + i) for i, one in enumerate(table["id"].to_pylist()))
        self._places += zip(*(table[name].to_pylist() for name in PLACE), strict=True)

    @property
    def next_number(self) -> int:
        """Above the numbers of all shards."""
        return 1 + max((int(shard.path.stem) for shard in self.shards if shard.path.stem.isdigit()), default=-1)

    def keep(self, row: int, place: Place) -> bool:
        """The image in this row stays, at this place. Returns False where that was said before: the first place counts."""
        if self._stays[row]:
            return False
        self._stays[row] = 1
        if self._places[row] != place:
            self._moved[row] = place
        return True

    def carry(self, writer: ShardWriter, folder: Path) -> int:
        """Bring what stays into ``folder``; small shards go into ``writer``. Returns how many files were kept as they are."""
        staying = sorted((sum(self._stays[s.span]), s) for s in self.shards if any(self._stays[s.span]))
        moved = np.array(sorted(self._moved), np.int64)
        kept = 0
        for count, shard in staying:
            touched = np.searchsorted(moved, shard.first) < np.searchsorted(moved, shard.first + shard.rows)
            if 2 * count < writer.capacity and count < MERGE_BELOW * writer.waiting:
                for pictures in self._pictures(shard):
                    writer.add(pictures)
            elif touched or count < shard.rows:
                writer.write(shard.path.name, _joined(list(self._pictures(shard))))
            else:
                _link(shard.path, folder / shard.path.name)
                kept += 1
        return kept

    def _pictures(self, shard: Shard) -> Iterator[Pictures]:
        """The images of a shard that stay, row group by row group. Raises DataError where the file is damaged."""
        start, spec = shard.first, self._recipe.spec
        try:
            with pq.ParquetFile(shard.path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    numbers = range(start, start + table.num_rows)
                    start += table.num_rows
                    stays = np.frombuffer(self._stays, np.uint8)[numbers.start : numbers.stop].astype(bool)
                    texts = zip(*(table[name].to_pylist() for name in ("id", "height", "width", "mode")), strict=True)
                    rows = [self._row(number, text) for number, text in zip(numbers, texts, strict=True)]
                    yield Pictures(
                        list(compress(rows, stays)),
                        pixels_to_numpy(table["pixels"], spec)[stays],
                        table["phash"].to_numpy()[stays],
                    )
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"{shard.path} is damaged ({error}); delete it and run ingest again, which decodes its images"
            ) from None

    def _row(self, number: int, text: tuple[Any, ...]) -> ImageRow:
        image, height, width, mode = text
        path, folder_class, official_split = self._moved.get(number) or self._places[number]
        return ImageRow(image, path, height, width, mode, folder_class, official_split)


def _joined(parts: list[Pictures]) -> Pictures:
    return Pictures(
        [row for part in parts for row in part.rows],
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.hashes for part in parts]),
    )


def _link(old: Path, new: Path) -> None:
    """The same file in another folder; a copy where the file system has no hard links."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)
