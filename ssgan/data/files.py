"""The four sets of a split, for readers that must not care whether they lie in a folder or in S3.

A set is a file of rows of the image store (``ssgan.data.store``). The order in which a run sees images is that of a hash of
their ids, whatever the order of the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.digests import as_hex, draws
from ssgan.data.store import I64, U8, ImageStore
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
    """The folder that holds ``labeled.parquet``, ``unlabeled.parquet``, ``val.parquet`` and ``test.parquet``.

    Attributes:
        root: path without protocol.
        fs: any fsspec file system; the edge makes the one for S3.
        features: what a run learns on in the place of the pixels, if anything.
        images: the store that the sets name rows of; None: the folder ``images`` beside them.
    """

    root: str
    fs: fsspec.AbstractFileSystem = field(default_factory=LocalFileSystem)
    features: Features | None = None
    images: ImageStore | None = None

    @cached_property
    def store(self) -> ImageStore:
        """The images. Raises DataError where they are not those that the split was made of."""
        found = self.images or ImageStore(f"{self.root.rpartition('/')[0] or '.'}/images", self.fs)
        if found.describe()["identity"] != self.metadata()["store"]["identity"]:
            raise DataError(f"the images in {found.root} are not those that {self.root} was made of; run `dvc repro split`")
        return found

    def _open(self, name: str) -> pq.ParquetFile:
        path = f"{self.root}/{name}.parquet"
        try:
            # start: without it, s3fs asks for the size first
            return pq.ParquetFile(pa.BufferReader(self.fs.cat_file(path, start=0)), page_checksum_verification=True)
        except FileNotFoundError:
            raise DataError(f"{path} does not exist; run the stage that makes it (`dvc repro split`)") from None

    def read(self, name: str, columns: list[str] | None = None, hex_ids: bool = True) -> pa.Table:
        """The file of a set: position, and for labeled sets id and label. hex_ids: as people write them, else 32 bytes."""
        with self._open(name) as file:
            table = file.read(columns=columns)
        return schema.with_hex_ids(table) if hex_ids else table

    def rows(self, name: str) -> I64:
        """(N,) rows of the store, as they stand in the file of a set: by draw where it is labeled, else ascending."""
        return schema.fixed(self.read(name, ["position"])["position"]).view(np.uint32)[:, 0].astype(np.int64)

    def positions(self, name: str) -> I64:
        """(N,) rows of the store in the order in which a run sees them: that of the images' draws."""
        rows = self.rows(name)
        return rows if name != "unlabeled" else rows[np.argsort(draws(self.store.gather(rows, "id")), kind="stable")]

    def inputs(self, name: str, views: int | None = None, most: int | None = None) -> npt.NDArray[Any]:
        """What a run learns on, in memory: (N, C, S, S) uint8 images, or (N, V, D) float16 features.

        Args:
            most: how many of the first ones; None: the whole set.
        """
        if self.features:
            return self.features.read(self.ids(name)[:most], views)
        return self.store.pixels(self.positions(name)[:most])

    def ids(self, name: str) -> list[str]:
        """Ids of a set, in the order of ``inputs``."""
        if name == "unlabeled":
            return as_hex(self.store.gather(self.positions(name), "id"))
        return list(self.read(name, ["id"])["id"].to_pylist())

    def labels(self, name: str) -> I64:
        """(N,) permanent class ids of a labeled set, in the order of ``inputs``."""
        return schema.fixed(self.read(name, ["label"])["label"]).view(np.int32)[:, 0].astype(np.int64)

    def blocks(self, name: str) -> Iterator[tuple[list[str], U8]]:
        """Ids (n,) and pixels (n, C, S, S) of a set, some megabytes at once, in the order of the store."""
        for _, values in self.store.parts(np.sort(self.rows(name)), ["id", "pixels"]):
            yield as_hex(values["id"]), values["pixels"].reshape(-1, *self.store.spec.shape)

    def id_blocks(self, name: str) -> Iterator[list[str]]:
        """Ids alone, as in ``blocks``."""
        for _, values in self.store.parts(np.sort(self.rows(name)), ["id"]):
            yield as_hex(values["id"])

    def reserved(self) -> list[str]:
        """Ids of the images that join val or test once they have a label. Raises DataError where no split has written them."""
        return as_hex(self.store.gather(self.rows(schema.RESERVED), "id"))

    def num_rows(self, name: str) -> int:
        with self._open(name) as file:
            return int(file.metadata.num_rows)

    def metadata(self) -> dict[str, Any]:
        """Shape, classes, schema version and store of the data set (from the labeled set)."""
        return self._metadata

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        # Read once: the end of a training asks again, and by then the file system's credentials may have expired.
        with self._open("labeled") as file:
            return schema.read_metadata(file.schema_arrow.metadata, f"{self.root}/labeled.parquet")

    def image_spec(self) -> ImageSpec:
        return schema.spec_of(self.metadata())

    def classes(self) -> list[str]:
        return list(self.metadata()["classes"])


def named_images(path: Path) -> tuple[ImageStore, I64]:
    """The images that a path names, as rows of a store: a folder of shards (data/images), or a set (data/splits/val)."""
    if (path.parent / f"{path.stem}.parquet").exists():
        files = SplitFiles(path.parent.as_posix())
        return files.store, files.rows(path.stem)
    store = ImageStore(path.as_posix())
    return store, np.arange(len(store))


def data_version(files: SplitFiles) -> str:
    """sha256 over what training reads: split.json (which holds the hashes of the ids of every set), labels, image shape, and
    which image lies where in the store.

    Pixels are covered by the ids (hashes of the files' bytes) and the shape they were brought to.
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
