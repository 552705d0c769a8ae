"""Where the four Parquet sets lie, for readers that must not care whether it is a folder or S3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.errors import DataError


class Features(Protocol):
    """Feature vectors of a backbone by id, in the place of pixels (``ssgan/features/files.py``)."""

    @property
    def identity(self) -> dict[str, Any]:
        """What they depend on besides the images."""

    @property
    def backbone(self) -> Any:
        """The record of the backbone."""

    @property
    def views(self) -> int:
        """V."""

    def groups(self) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]]:
        """Ids (n, 32) and features (n, V * D), one part after the other."""

    def read(self, ids: Sequence[str], views: int | None = None) -> npt.NDArray[np.float16]:
        """(N, V, D) in the given order."""


@dataclass(frozen=True)
class SplitFiles:
    """The folder that holds ``labeled``, ``unlabeled``, ``val`` and ``test``.

    Attributes:
        root: path without protocol.
        fs: any fsspec file system; the edge makes the one for S3.
        features: what a run learns on in the place of the pixels, if anything.
    """

    root: str
    fs: fsspec.AbstractFileSystem = field(default_factory=LocalFileSystem)
    features: Features | None = None

    def shards(self, name: str) -> list[str]:
        """Paths of the Parquet files of one set, in order. Raises DataError if there is none."""
        found = sorted(self.fs.glob(f"{self.root}/{name}/*.parquet"))
        if not found:
            raise DataError(f"{self.root}/{name} holds no *.parquet file; run the stage that makes it (`dvc repro split`)")
        return found

    def open(self, shard: str) -> pq.ParquetFile:
        """A Parquet file for reading; the caller closes it."""
        return pq.ParquetFile(self.fs.open(shard, "rb"), pre_buffer=True)

    def _each(self, name: str) -> Iterator[pq.ParquetFile]:
        for shard in self.shards(name):
            with self.open(shard) as file:
                yield file

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A whole set in memory, its ids as hex."""
        return schema.with_hex_ids(pa.concat_tables([file.read(columns=columns) for file in self._each(name)]))

    def inputs(self, name: str, views: int | None = None) -> npt.NDArray[Any]:
        """What a run learns on, a whole set in memory: (N, C, S, S) uint8 images, or (N, V, D) float16 features."""
        if self.features:
            return self.features.read(self.ids(name), views)
        return schema.pixels_to_numpy(self.read(name, ["pixels"])["pixels"], self.image_spec())

    def ids(self, name: str) -> list[str]:
        """Ids of a set, in order."""
        return list(self.read(name, ["id"])["id"].to_pylist())

    def reserved(self) -> list[str]:
        """Ids of the images that join val or test once they have a label. Raises DataError where no split has written them."""
        path = f"{self.root}/{schema.RESERVED}"
        try:
            with self.fs.open(path, "rb") as file:
                return list(schema.with_hex_ids(pq.read_table(file, columns=["id"]))["id"].to_pylist())
        except FileNotFoundError:
            raise DataError(f"{path} does not exist; run `dvc repro split`") from None

    def num_rows(self, name: str) -> int:
        return sum(file.metadata.num_rows for file in self._each(name))

    def metadata(self) -> dict[str, Any]:
        """Shape, classes and schema version of the data set (from the labeled set)."""
        return self._metadata

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        # Read once: the end of a training asks again, and by then the file system's credentials may have expired.
        shard = self.shards("labeled")[0]
        with self.open(shard) as file:
            return schema.read_metadata(file.schema_arrow, shard)

    def image_spec(self) -> ImageSpec:
        return schema.spec_of(self.metadata())

    def classes(self) -> list[str]:
        return list(self.metadata()["classes"])


def data_version(files: SplitFiles) -> str:
    """sha256 over what training reads: split.json (which holds the hashes of the ids of every set), labels, image shape.

    The pixels of the unlabeled set are covered by the ids (hashes of the files' bytes) and the shape they were brought to.
    """
    digest = hashlib.sha256(json.dumps(files.metadata(), sort_keys=True).encode())
    summary = f"{files.root}/split.json"
    digest.update(files.fs.cat_file(summary) if files.fs.exists(summary) else b"")
    if files.features:
        digest.update(json.dumps(files.features.identity, sort_keys=True).encode())
    for name in ("labeled", "val"):
        table = files.read(name, ["id", "label"])
        digest.update(repr(sorted(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))).encode())
    return digest.hexdigest()
