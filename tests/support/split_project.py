"""What the tests of ``split`` share: image shards made by hand, and the sets that come out."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import ImageSpec, SplitConfig
from ssgan.data import schema
from ssgan.data.files import SplitFiles
from ssgan.data.image_shards import ImageRow
from ssgan.data.split_summary import SplitSummary
from ssgan.data.splits import split
from tests.support.data import write_store

SPEC = ImageSpec(1, 8, "fit")


@dataclass(frozen=True)
class Image:
    """One ingested image. The pixels follow from ``seed``, so two images of one seed have equal pixels."""

    name: str
    folder_class: str | None = None
    official_split: str | None = None
    seed: int | None = None  # None: pixels of its own
    brighter: int = 0  # grey levels added to all pixels

    @property
    def id(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def path(self) -> str:
        return f"{self.folder_class or 'flat'}/{self.name}.png"

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(1, 8, 8) noise, far from all others."""
        seed = int(self.id[:8], 16) if self.seed is None else self.seed
        return (np.random.default_rng(seed).integers(20, 200, (1, 8, 8)) + self.brighter).astype(np.uint8)


@dataclass(frozen=True)
class Copy:
    """A further file with the bytes of an image."""

    of: Image
    path: str
    folder_class: str | None = None
    official_split: str | None = None


def images_of(classes: dict[str | None, int], start: int = 0, **fields: Any) -> list[Image]:
    """So many images of each class, with names of their own."""
    return [Image(f"{name}-{i}", name, **fields) for name, n in classes.items() for i in range(start, start + n)]


@dataclass
class Project:
    """A folder with everything that ``split`` reads and writes."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)

    def images(self, images: list[Image], shards: int = 1) -> Project:
        for folder in (self.root / "images", self.root / "index"):
            shutil.rmtree(folder, ignore_errors=True)
        for number in range(shards):
            some = images[number::shards]
            write_store(self.root, SPEC, f"{number:05d}.parquet", [_row(i) for i in some], _pixels(some))
        return self

    def copies(self, copies: list[Copy]) -> Project:
        rows = [(bytes.fromhex(c.of.id), c.path, c.folder_class, c.official_split, False) for c in copies]
        rows += [(bytes.fromhex(c.of.id), c.of.path, c.of.folder_class, c.of.official_split, True) for c in copies]
        columns = zip(*sorted(rows, key=lambda row: (row[0], not row[4])), strict=True) if rows else [[]] * 5
        layout = schema.duplicates_schema()
        table = pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, layout, strict=True)], schema=layout)
        pq.write_table(table, self.root / "duplicates.parquet")
        return self

    def csv(self, text: str) -> Project:
        (self.root / "labels.csv").write_text(text, encoding="utf-8", newline="")
        self.config["labels"] = str(self.root / "labels.csv")
        return self

    def label(self, labels: dict[str, str]) -> Project:
        """A label file with paths and classes."""
        return self.csv("path,label\n" + "".join(f"{path},{name}\n" for path, name in labels.items()))

    def split(self, **config: Any) -> SplitSummary:
        duplicates = self.root / "duplicates.parquet"
        return split(
            self.root,
            self.out,
            SplitConfig(**{**self.config, **config}),
            duplicates if duplicates.exists() else None,
            self.root,
        )

    @property
    def out(self) -> Path:
        return self.root / "splits"

    @property
    def files(self) -> SplitFiles:
        return SplitFiles(str(self.out))

    def stored(self, name: str) -> pa.Schema:
        """Of a set as it is on disk."""
        return pq.read_schema(self.out / f"{name}.parquet")

    def ids(self, name: str) -> set[str]:
        return set(self.files.ids(name))

    def seen(self) -> dict[str, tuple[list[str], list[int]]]:
        """Ids and labels of all sets, in the order in which a run sees them."""
        files = self.files
        labels = {name: [] if name == "unlabeled" else files.labels(name).tolist() for name in schema.SETS}
        return {name: (files.ids(name), labels[name]) for name in schema.SETS}

    def bytes(self) -> dict[str, bytes]:
        return {str(f.relative_to(self.out)): f.read_bytes() for f in sorted(self.out.rglob("*")) if f.is_file()}


def _row(image: Image) -> ImageRow:
    return ImageRow(bytes.fromhex(image.id), image.path, 8, 8, "L", image.folder_class, image.official_split)


def _pixels(images: list[Image]) -> npt.NDArray[np.uint8]:
    return np.stack([image.pixels for image in images]) if images else np.zeros((0, 1, 8, 8), np.uint8)
