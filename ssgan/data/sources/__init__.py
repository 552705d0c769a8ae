"""Where raw images come from: one file per kind of source, all behind the protocol ``ImageSource``.

A source lists its files in an order that never changes, and reads the bytes of one. It hides nothing: what it cannot offer
as a file (a broken link, a hidden file) is listed as an item with a ``problem``, so that every file is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ssgan.config import DigitsSource, FolderSource, S3Source, Source

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Problem = tuple[str, str]  # a reason of ssgan.data.rejections and a sentence


class Item(NamedTuple):
    """One file of a source."""

    path: str  # relative to the source, with "/"; unique
    size: int | None = None  # bytes, where the listing tells it
    folder_class: str | None = None  # None: no class in the path
    official_split: str | None = None  # "train" or "test"; None: the source has no official split
    problem: Problem | None = None  # why it cannot be read; None: nothing is known against it
    stamp: str | None = None  # differs as soon as the bytes do (see ssgan.data.ingest_index); None: no such promise


def text(path: str) -> str:
    """File names may hold any bytes; those that are not UTF-8 are spelled out (\\xff), as Parquet holds text only."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class ImageSource(Protocol):
    """What ``ingest`` needs to know. All methods may be called from several threads."""

    @property
    def name(self) -> str:
        """The source for people: a folder, a URL, a data set."""

    @property
    def folder(self) -> str | None:
        """The local folder that must not be written to; None where there is none."""

    @property
    def threads(self) -> int:
        """How many reads in parallel keep it busy, besides one per core."""

    @property
    def notes(self) -> list[str]:
        """What it decided by looking, in sentences."""

    def classes(self) -> list[str]:
        """Class names in natural order; empty where the source has no class folders."""

    def items(self) -> Iterator[Item]:
        """Every file, in an order that depends on the paths only. Raises DataError, StorageError."""

    def read(self, item: Item, max_bytes: int) -> bytes:
        """The bytes of one file. Raises Rejected (this file is bad) or StorageError (the storage is)."""


def make_source(config: Source, bucket: AbstractFileSystem | None = None) -> ImageSource:
    """The source that ``data.source`` describes.

    Args:
        bucket: the file system of ``kind: s3``; None: S3 with the environment's endpoint and credentials.

    Raises ConfigError, DataError.
    """
    # Imported on demand: most runs need one kind, and none should pay for the packages of another.
    if isinstance(config, DigitsSource):
        from ssgan.data.sources.digits import digits

        return digits(config.path)
    if isinstance(config, FolderSource):
        from ssgan.data.sources.folder import Folder

        return Folder(config.path, config.layout)
    if isinstance(config, S3Source):
        from ssgan.data.sources.s3 import Bucket
        from ssgan.storage.store import filesystem

        return Bucket(bucket or filesystem(config.url)[0], config.url, config.layout)
    from ssgan.data.sources.torchvision import torchvision

    return torchvision(config.dataset, config.root, config.download)
