"""The shards of one backbone's features: ``data/features/<backbone>/NNNNN.parquet``, aligned with those of ``data/images``.

A row is an id (32 bytes) and V views of D float16 as fixed-size binary: lists would read ten times slower. Pages have
checksums. The metadata holds the backbone's record. Letters: N images, V views, D dimension of a view.
"""

from __future__ import annotations

import json
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ssgan import atomic, backbones
from ssgan.backbones.record import Backbone
from ssgan.config import Config
from ssgan.data.digests import NONE, DigestMap, Digests, digests
from ssgan.data.files import Features
from ssgan.data.schema import ID_BYTES, binary, fixed
from ssgan.errors import DataError
from ssgan.wording import counted

FORMAT = 1
KEY = b"ssgan-features"
ROW_GROUP_BYTES = 1 << 20  # what is read for the sake of one image

Half = npt.NDArray[np.float16]


def layout(backbone: Backbone, views: int) -> pa.Schema:
    """The schema of a shard."""
    about = {"format": FORMAT, "backbone": backbone.describe(), "views": views}
    fields = [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("features", pa.binary(views * backbone.dimension * 2), nullable=False),
    ]
    return pa.schema(fields, metadata={KEY: json.dumps(about, sort_keys=True).encode()})


def write_shard(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """A shard, in place as a whole; each table becomes a row group."""
    options = {"compression": "NONE", "use_dictionary": False, "write_statistics": ["id"], "write_page_checksum": True}
    with atomic.replaced(path) as part, pq.ParquetWriter(part, schema, **options) as writer:
        for table in tables:
            writer.write_table(table)


class Index(NamedTuple):
    """Where the features of an image are: 48 bytes for each.

    Attributes:
        numbers: of rows, through all shards, by id.
        starts: the first number of each row group.
        places: shard, and number in it, of each row group.
    """

    numbers: DigestMap
    starts: npt.NDArray[np.int64]
    places: list[tuple[str, int]]


@dataclass(frozen=True)
class FeatureFiles:
    """The folder of one backbone's features.

    Attributes:
        root: path without protocol.
        fs: any fsspec file system.
    """

    root: str
    fs: fsspec.AbstractFileSystem = field(default_factory=LocalFileSystem)

    @cached_property
    def shards(self) -> list[str]:
        """Paths, in order. Raises DataError if there is none."""
        found = sorted(self.fs.glob(f"{self.root}/*.parquet"))
        if not found:
            raise DataError(f"{self.root} holds no features; run `dvc repro features`")
        return found

    @cached_property
    def about(self) -> dict[str, Any]:
        with self.fs.open(self.shards[0], "rb") as file:
            raw = (pq.read_schema(file).metadata or {}).get(KEY)
        value: dict[str, Any] = json.loads(raw) if raw else {}
        if value.get("format") != FORMAT:
            raise DataError(f"{self.root} was not written by this version of ssgan; delete it and run `dvc repro features`")
        return value

    @property
    def backbone(self) -> Backbone:
        return Backbone.of(self.about["backbone"])

    @property
    def views(self) -> int:
        return int(self.about["views"])

    @property
    def identity(self) -> dict[str, Any]:
        """What features depend on besides the images."""
        return {"backbone": self.backbone.identity, "views": self.views}

    def read(self, ids: Sequence[str], views: int | None = None) -> Half:
        """(N, V, D) features of images in the given order; ``views``: how many of the first ones.

        Raises DataError where an image has none, or a shard is damaged.
        """
        dimension, stored = self.backbone.dimension, self.views
        views = views or stored
        out = np.empty((len(ids), views, dimension), np.float16)
        numbers = self._index.numbers.get(digests(map(unhexlify, ids)))
        missing = np.flatnonzero(numbers == NONE)
        if len(missing):
            raise DataError(
                f"{counted(len(missing), 'image has', 'images have')} no features in {self.root}, such as "
                f"{ids[int(missing[0])][:12]}...; run `dvc repro features`"
            )
        wanted = np.searchsorted(self._index.starts, numbers, "right") - 1
        for group, _, rows in self._groups(np.unique(wanted).tolist()):
            here = np.flatnonzero(wanted == group)
            at = numbers[here] - self._index.starts[group]
            out[here] = rows.reshape(len(rows), stored, dimension)[at, :views]
        return out

    @cached_property
    def _index(self) -> Index:
        """Read once. Raises DataError where a shard is damaged."""
        every, sizes, places = [np.empty((0, ID_BYTES), np.uint8)], [], []
        for shard in self.shards:
            with self._open(shard) as parquet:
                every.append(fixed(parquet.read(columns=["id"])["id"]))
                groups = range(parquet.num_row_groups)
                sizes += [parquet.metadata.row_group(group).num_rows for group in groups]
                places += [(shard, group) for group in groups]
        ids = np.concatenate(every)
        return Index(DigestMap(ids, np.arange(len(ids))), np.cumsum([0, *sizes])[:-1], places)

    def groups(self) -> Iterator[tuple[Digests, Half]]:
        """Ids (n, 32) and features (n, V * D) of one row group after the other. Raises DataError where a shard is damaged."""
        for _, ids, rows in self._groups(range(len(self._index.places))):
            yield ids, rows

    def _groups(self, groups: Iterable[int]) -> Iterator[tuple[int, Digests, Half]]:
        """Number, ids and features of some row groups, in ascending order."""
        for shard, some in groupby(groups, lambda group: self._index.places[group][0]):
            with self._open(shard) as parquet:
                for group in some:
                    table = parquet.read_row_group(self._index.places[group][1])
                    yield group, fixed(table["id"]), fixed(table["features"]).view(np.float16)

    @contextmanager
    def _open(self, shard: str) -> Iterator[pq.ParquetFile]:
        try:
            with self.fs.open(shard, "rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as parquet:
                yield parquet
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{shard} is damaged ({error}); delete it and run `dvc repro features`") from error


def stored(config: Config, folder: Path) -> FeatureFiles | None:
    """The features that methods learn on, in ``folder`` (data/features); None where they learn on pixels."""
    if config.features.backbone is None:
        return None
    backbone, _ = backbones.find(config.features, config.data.deep_bits)
    return FeatureFiles(str(folder.absolute() / backbone.key))


def write_subset(files: Features, ids: Sequence[str], folder: Path) -> None:
    """One shard with the features of some images, for who must not have the others."""
    folder.mkdir(parents=True)
    wanted = DigestMap(digests(map(unhexlify, ids)), np.arange(len(ids)))
    schema = layout(files.backbone, files.views)

    def tables() -> Iterator[pa.Table]:
        for have, rows in files.groups():
            hit = np.flatnonzero(wanted.get(have) != NONE)
            yield pa.Table.from_arrays([binary(have[hit]), binary(rows[hit].view(np.uint8))], schema=schema)

    write_shard(folder / "00000.parquet", schema, tables())
