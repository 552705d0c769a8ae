"""``ingest``: every file of a source becomes one row of ``images/``, ``duplicates.parquet`` or ``rejected.parquet``.

    items -> batches -> [threads: read, sha256, decode, hash] -> in order: exact duplicates out -> shards

Raw files are only read. The same files give the same bytes, whatever the number of threads: batches are cut and joined in
the order of the listing. Of identical files the first in that order is kept. Memory is bounded by the batches in flight and
one shard; only 16 bytes of each id are kept, to know duplicates.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ssgan.config import MIB, DataConfig, ImageSpec
from ssgan.data.decode import Limits, decode_info
from ssgan.data.image_shards import ImageRow, RowWriter, ShardWriter, finish_duplicates
from ssgan.data.phash import phash
from ssgan.data.rejections import Rejected
from ssgan.data.schema import duplicates_schema, rejected_schema
from ssgan.data.sources import ImageSource, Item
from ssgan.errors import ConfigError, DataError

BATCH_BYTES = 2 * MIB  # of pixels that one task of a thread makes
BATCH_FILES = 256


@dataclass(frozen=True)
class IngestSummary:
    """What became of every file: ``seen`` = ``accepted`` + all of ``rejected`` + ``duplicates``."""

    source: str
    seen: int
    accepted: int
    duplicates: int  # files whose bytes equal those of an earlier file
    rejected: dict[str, int]  # by reason
    bytes_read: int
    shards: int
    classes: list[str]
    duplicates_across_classes: int  # files whose twin lies in another class folder
    duplicates_across_splits: int  # files whose twin lies on the other side of the official split
    notes: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """For ``metrics/ingest.json``: counts only, so that the same files give the same text."""
        return {
            "seen": self.seen,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "duplicates_across_classes": self.duplicates_across_classes,
            "duplicates_across_splits": self.duplicates_across_splits,
            "rejected": sum(self.rejected.values()),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "bytes": self.bytes_read,
            "shards": self.shards,
            "classes": len(self.classes),
        }


class _Batch(NamedTuple):
    """What one task makes of its items."""

    rows: list[ImageRow]
    pixels: npt.NDArray[np.uint8]  # (N, C, S, S)
    hashes: npt.NDArray[np.uint64]  # (N,)
    rejected: list[tuple[str, str, str]]  # path, reason, detail
    bytes_read: int


def ingest(
    source: ImageSource,
    config: DataConfig,
    out: Path,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> IngestSummary:
    """Read every file of ``source`` and write ``images/``, ``rejected.parquet`` and ``duplicates.parquet`` into ``out``.

    What ``out`` held before under these names is replaced at the end, once everything is written.

    Args:
        threads: None: one per core, more where the source asks for it. The result does not depend on it.
        progress: called with the number of files seen so far, after every batch.

    Raises:
        ConfigError: ``out`` would write into the raw images.
        DataError: the source has no file, or none of them is an image.
        StorageError: the source cannot be read.
    """
    out = Path(out)
    _check_apart(source, out)
    out.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".ingest-", dir=out))
    try:
        summary = _build(source, config, building, threads or max(cores(), source.threads), progress)
        for name in ("rejected.parquet", "duplicates.parquet", "images"):
            _replace(building / name, out / name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return summary


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_apart(source: ImageSource, out: Path) -> None:
    if source.folder is None:
        return
    raw, images = Path(source.folder).resolve(), (out / "images").resolve()
    if images.is_relative_to(raw) or raw.is_relative_to(images):
        raise ConfigError(
            f"data.source.path is {source.folder!r} and overlaps the output {images}; keep raw images in a folder of their own"
        )


def _replace(new: Path, old: Path) -> None:
    """Put ``new`` where ``old`` may be. A folder cannot be renamed over a full one: it steps aside first."""
    if old.is_dir():
        old.rename(new.with_name("old-" + new.name))
    new.rename(old)


def _build(
    source: ImageSource, config: DataConfig, folder: Path, threads: int, progress: Callable[[int], None] | None
) -> IngestSummary:
    spec, classes = ImageSpec(config.channels, config.image_size, config.resize), source.classes()
    shards = ShardWriter(folder / "images", spec, classes, config.shard_bytes)
    rejected = RowWriter(folder / "rejected.parquet", rejected_schema())
    duplicates = RowWriter(folder / "found.parquet", duplicates_schema())
    known: set[bytes] = set()
    reasons: Counter[str] = Counter()
    seen = accepted = bytes_read = 0
    for batch in _batches(source, spec, Limits.of(config), threads):
        seen += len(batch.rows) + len(batch.rejected)
        bytes_read += batch.bytes_read
        for row in batch.rejected:
            rejected.add(row)
            reasons[row[1]] += 1
        new = _without_duplicates(batch, known, duplicates)
        shards.add(*new)
        accepted += len(new[0])
        if progress:
            progress(seen)
    for writer in (shards, rejected, duplicates):
        writer.close()
    if not accepted:
        raise _nothing_accepted(source, seen, reasons)
    across = finish_duplicates(folder / "found.parquet", folder / "images", folder / "duplicates.parquet")
    found = duplicates.rows
    if seen != accepted + reasons.total() + found:
        raise AssertionError(f"{seen} files seen, but {accepted} + {reasons.total()} + {found} accounted for")
    return IngestSummary(
        source.name, seen, accepted, found, dict(reasons), bytes_read, shards.shards, classes, *across, source.notes
    )


def _nothing_accepted(source: ImageSource, seen: int, reasons: Counter[str]) -> DataError:
    if not seen:
        return DataError(f"{source.name} holds no file; put images there or correct data.source")
    top = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    return DataError(
        f"none of the {seen} files of {source.name} is an image that can be used ({top}); correct data.source or the limits"
    )


def _without_duplicates(
    batch: _Batch, known: set[bytes], duplicates: RowWriter
) -> tuple[list[ImageRow], npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """The rows, pixels and hashes of files not seen before; the others are written to ``duplicates``."""
    fresh = []
    for i, row in enumerate(batch.rows):
        key = bytes.fromhex(row.id[:32])  # 128 bits: a collision is not to be expected before 10**18 images
        if key in known:
            duplicates.add((row.id, row.path, row.folder_class, row.official_split, False))
        else:
            known.add(key)
            fresh.append(i)
    if len(fresh) == len(batch.rows):
        return batch.rows, batch.pixels, batch.hashes
    return [batch.rows[i] for i in fresh], batch.pixels[fresh], batch.hashes[fresh]


# --- the threads -----------------------------------------------------------------------------------------------------


def _batches(source: ImageSource, spec: ImageSpec, limits: Limits, threads: int) -> Iterator[_Batch]:
    """Prepared batches in the order of the listing, a few ahead of the reader."""
    size = max(1, min(BATCH_FILES, BATCH_BYTES // spec.bytes))
    items = iter(source.items())
    pending: deque[Future[_Batch]] = deque()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the parallelism is over files
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ingest")
    try:
        while True:
            while len(pending) < threads + 2 and (chunk := list(islice(items, size))):
                pending.append(pool.submit(_prepare, source, chunk, spec, limits))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)


def _prepare(source: ImageSource, items: list[Item], spec: ImageSpec, limits: Limits) -> _Batch:
    """Read, identify and decode a few files."""
    pixels = np.empty((len(items), *spec.shape), np.uint8)
    rows: list[ImageRow] = []
    rejected = []
    bytes_read = 0
    for item in items:
        try:
            if item.problem:
                raise Rejected(*item.problem)
            if item.size is not None and item.size > limits.max_file_bytes:
                raise Rejected("too_large_file", f"{item.size} bytes; data.max_file_bytes is {limits.max_file_bytes}")
            data = source.read(item, limits.max_file_bytes)
            bytes_read += len(data)
            image = decode_info(data, spec, limits)
        except Rejected as why:
            rejected.append((_text(item.path), why.reason, _text(why.detail)))
            continue
        pixels[len(rows)] = image.pixels
        digest = hashlib.sha256(data).hexdigest()
        rows.append(
            ImageRow(digest, _text(item.path), image.height, image.width, image.mode, item.folder_class, item.official_split)
        )
    pixels = pixels[: len(rows)]
    return _Batch(rows, pixels, phash(pixels), rejected, bytes_read)


def _text(path: str) -> str:
    """File names may hold any bytes; those that are not UTF-8 are spelled out (\\xff), as Parquet holds text only."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
