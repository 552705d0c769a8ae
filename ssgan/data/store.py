"""The image store: shards that are written once, and arrays out of them by row.

Rows are numbered over all shards in the order of their names; a split names images by these numbers, and holds no pixel. What
is read is checked against the checksums of its pages. Letters: N rows that are asked for, G row groups.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ssgan.config import MIB, ImageSpec
from ssgan.data import schema
from ssgan.errors import DataError
from ssgan.wording import counted

READ_BYTES, READ_ROWS = 8 * MIB, 2048  # of pixels that are read, and images that are wanted, at once

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


class Shard(NamedTuple):
    """One file. ``rows``: sha256 over its ids, in order. ``content``: over these, and what made pixels of them."""

    path: str
    size: int
    footer: pq.FileMetaData
    rows: str

    @property
    def content(self) -> str:
        return hashlib.sha256(self.footer.metadata[schema.METADATA_KEY] + self.rows.encode()).hexdigest()


class Ranges(io.RawIOBase):
    """A file of known size: what is read of it is asked for at once, with nothing before and nothing ahead. S3 is asked by GET,
    whose answers say what is wrong; those to HEAD do not."""

    def __init__(self, fs: fsspec.AbstractFileSystem, shard: Shard) -> None:
        self._fs, self._path, self._size, self._at = fs, shard.path, shard.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._size, self._at + size)
        data = bytes(self._fs.cat_file(self._path, start=self._at, end=stop)) if stop > self._at else b""
        self._at += len(data)
        return data


class GroupRows(NamedTuple):
    """Some rows of one row group. ``group``: its number among those of all shards; ``rows``: (n,) within it."""

    group: int
    rows: I64


@dataclass(frozen=True)
class ImageStore:
    """``images/*.parquet``, wherever it lies.

    Attributes:
        root: the folder, without protocol.
        fs: any fsspec file system.
        paths: of all shards, where they do not lie in that folder.
    """

    root: str
    fs: fsspec.AbstractFileSystem = field(default_factory=LocalFileSystem)
    paths: tuple[str, ...] = ()

    @cached_property
    def shards(self) -> list[Shard]:
        """In order. Raises DataError where there is none, or one that this version does not read."""
        found = sorted(self.paths or self.fs.glob(f"{self.root}/*.parquet"), key=lambda path: PurePosixPath(path).name)
        if not found:
            raise DataError(f"{self.root} holds no images; run `dvc repro ingest`")
        return [self._opened(path) for path in found]

    def _opened(self, path: str) -> Shard:
        try:
            with self.fs.open(path, "rb") as file:
                footer, size = pq.read_metadata(file), int(file.size)
        except pa.ArrowInvalid as error:
            raise _damaged(path, error) from None
        about = footer.metadata or {}
        schema.read_metadata(about, path)
        return Shard(path, size, footer, about[schema.ROWS_KEY].decode())

    @cached_property
    def spec(self) -> ImageSpec:
        """Raises DataError where shards differ in it."""
        specs = [schema.spec_of(schema.read_metadata(one.footer.metadata, one.path)) for one in self.shards]
        if len(set(specs)) > 1:
            other = next(spec for spec in specs if spec != specs[0])
            raise DataError(f"{self.root} holds images of different kinds ({specs[0]}, {other}); run `dvc repro ingest` again")
        return specs[0]

    def __len__(self) -> int:
        return sum(one.footer.num_rows for one in self.shards)

    def describe(self) -> dict[str, Any]:
        """What splits remember: names of shards and their numbers of rows, and a hash of every id at its place."""
        names = [[PurePosixPath(one.path).name, one.footer.num_rows] for one in self.shards]
        rows = [[*name, one.rows] for name, one in zip(names, self.shards, strict=True)]
        return {"shards": names, "identity": hashlib.sha256(json.dumps([self.spec, rows]).encode()).hexdigest()}

    @cached_property
    def _groups(self) -> list[tuple[int, int]]:
        """(G,) the shard of each row group, and its number within it."""
        return [(shard, i) for shard, one in enumerate(self.shards) for i in range(one.footer.num_row_groups)]

    @cached_property
    def _starts(self) -> I64:
        """(G + 1,) the first row of each row group."""
        sizes = [self.shards[shard].footer.row_group(i).num_rows for shard, i in self._groups]
        return np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))]).astype(np.int64)

    def _size(self, group: int) -> int:
        return int(self._starts[group + 1] - self._starts[group])

    def shard_of(self, group: int) -> int:
        """The number of the shard that a row group is in."""
        return self._groups[group][0]

    def groups(self, positions: I64) -> list[GroupRows]:
        """The row groups that hold some rows, given in ascending order."""
        if len(positions) and positions[-1] >= self._starts[-1]:
            raise DataError(
                f"{self.root} has {counted(self._starts[-1], 'image')}, row {positions[-1]} is asked for; run `dvc repro split`"
            )
        which = np.searchsorted(self._starts, positions, side="right") - 1
        found, first = np.unique(which, return_index=True)
        parts = np.split(positions, first[1:]) if len(found) else []
        return [GroupRows(int(group), rows - self._starts[group]) for group, rows in zip(found, parts, strict=True)]

    def read(self, groups: list[int], columns: list[str]) -> pa.Table:
        """Row groups of one shard. Raises DataError where it is damaged."""
        shard = self.shards[self.shard_of(groups[0])]
        try:
            raw = pa.PythonFile(Ranges(self.fs, shard), "r")
            with pq.ParquetFile(raw, metadata=shard.footer, pre_buffer=True, page_checksum_verification=True) as file:
                return file.read_row_groups([self._groups[group][1] for group in groups], columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            if getattr(error, "errno", None):  # of the file system; of Arrow's, damage is the only one without a number
                raise
            raise _damaged(shard.path, error) from None

    def parts(self, positions: I64, columns: list[str]) -> Iterator[tuple[I64, dict[str, U8]]]:
        """(n,) some of the rows, given in ascending order, and (n, width) their values: so many at once as READ_* say."""
        waiting: list[GroupRows] = []
        for one in self.groups(positions):
            read = sum(self._size(other.group) for other in [*waiting, one]) * self.spec.bytes
            full = read > READ_BYTES or sum(len(other.rows) for other in [*waiting, one]) > READ_ROWS
            if waiting and (full or self.shard_of(one.group) != self.shard_of(waiting[0].group)):
                yield self._values(waiting, columns)
                waiting = []
            waiting.append(one)
        if waiting:
            yield self._values(waiting, columns)

    def _values(self, wanted: list[GroupRows], columns: list[str]) -> tuple[I64, dict[str, U8]]:
        table = self.read([one.group for one in wanted], columns)
        sizes = np.array([self._size(one.group) for one in wanted])
        at = np.concatenate([one.rows + before for one, before in zip(wanted, np.cumsum(sizes) - sizes, strict=True)])
        rows = np.concatenate([one.rows + self._starts[one.group] for one in wanted])
        return rows, {name: schema.fixed(table[name])[at] for name in columns}

    def gather(self, positions: I64, column: str) -> U8:
        """(N, width) of one column, in the given order of rows."""
        out = np.empty((len(positions), schema.ID_BYTES if column == "id" else self.spec.bytes), np.uint8)
        order = np.argsort(positions, kind="stable")
        start = 0
        for rows, values in self.parts(positions[order], [column]):
            out[order[start : start + len(rows)]] = values[column]
            start += len(rows)
        return out

    def pixels(self, positions: I64) -> U8:
        """(N, C, S, S) in the given order of rows."""
        return self.gather(positions, "pixels").reshape(-1, *self.spec.shape)


def _damaged(path: str, error: Exception) -> DataError:
    return DataError(f"{path} is damaged ({error}); delete it and run `dvc repro ingest`")
