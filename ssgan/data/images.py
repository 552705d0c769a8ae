"""``ingest``: every file of a source becomes one row of ``images/``, ``duplicates.parquet`` or ``rejected.parquet``.

    items -> batches -> [workers: read, sha256, decode, hash] -> in order: exact duplicates out -> shards

Raw files are only read. The same files give the same bytes, whatever the number of workers: batches are cut and joined in
the order of the listing. Of identical files the first in that order is kept. Memory is bounded by the batches in flight and
one shard; only 16 bytes of each id are kept, to know duplicates.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.config import DataConfig, ImageSpec
from ssgan.data.decode import Limits
from ssgan.data.image_shards import ImageRow, RowWriter, ShardWriter, finish_duplicates
from ssgan.data.schema import duplicates_schema, rejected_schema
from ssgan.data.sources import ImageSource, Item
from ssgan.data.workers import Elsewhere, Job, Kind, Prepared, prepared
from ssgan.errors import ConfigError, DataError


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


def ingest(
    source: ImageSource,
    config: DataConfig,
    out: Path,
    workers: int | None = None,
    kind: Kind = "auto",
    progress: Callable[[int], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> IngestSummary:
    """Read every file of ``source`` and write ``images/``, ``rejected.parquet`` and ``duplicates.parquet`` into ``out``.

    What ``out`` held before under these names is replaced at the end, once everything is written.

    Args:
        workers: None: one per core, more where the source asks for it.
        kind: threads, processes, or auto: whatever is faster and safe. The result depends neither on it nor on ``workers``.
        progress: called with the number of files seen so far, after every batch.
        elsewhere: workers that are not of this machine, in place of ``workers`` and ``kind``.

    Raises:
        ConfigError: ``out`` would write into the raw images.
        DataError: the source has no file, or none of them is an image.
        StorageError: the source cannot be read.
    """
    out = Path(out)
    _check_apart(source, out)
    out.mkdir(parents=True, exist_ok=True)
    job = Job(source, ImageSpec(config.channels, config.image_size, config.resize), Limits.of(config))
    building = Path(tempfile.mkdtemp(prefix=".ingest-", dir=out))
    try:
        with closing(prepared(job, workers, kind, elsewhere)) as batches:
            summary = _build(job, config.shard_bytes, building, batches, progress)
        for name in ("rejected.parquet", "duplicates.parquet", "images"):
            _replace(building / name, out / name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return summary


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
    job: Job,
    shard_bytes: int,
    folder: Path,
    batches: Iterable[tuple[list[Item], Prepared]],
    progress: Callable[[int], None] | None,
) -> IngestSummary:
    source, classes = job.source, job.source.classes()
    shards = ShardWriter(folder / "images", job.spec, classes, shard_bytes)
    rejected = RowWriter(folder / "rejected.parquet", rejected_schema())
    duplicates = RowWriter(folder / "found.parquet", duplicates_schema())
    known: set[bytes] = set()
    reasons: Counter[str] = Counter()
    seen = accepted = bytes_read = 0
    for items, batch in batches:
        seen += len(items)
        bytes_read += batch.bytes_read
        for index, reason, detail in batch.rejected:
            rejected.add((_text(items[index].path), reason, _text(detail)))
            reasons[reason] += 1
        new = _without_duplicates(items, batch, known, duplicates)
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
    items: list[Item], batch: Prepared, known: set[bytes], duplicates: RowWriter
) -> tuple[list[ImageRow], npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """The rows, pixels and hashes of files not seen before; the others are written to ``duplicates``."""
    rows: list[ImageRow] = []
    fresh: list[int] = []
    for position, (index, digest) in enumerate(zip(batch.accepted, batch.digests, strict=True)):
        item = items[index]
        key = digest[:16]  # 128 bits: no collision is to be expected before 10**18 images
        if key in known:
            duplicates.add((digest.hex(), _text(item.path), item.folder_class, item.official_split, False))
        else:
            known.add(key)
            fresh.append(position)
            rows.append(
                ImageRow(digest.hex(), _text(item.path), *batch.headers[position], item.folder_class, item.official_split)
            )
    if len(rows) == len(batch.accepted):
        return rows, batch.pixels, batch.hashes
    return rows, batch.pixels[fresh], batch.hashes[fresh]


def _text(path: str) -> str:
    """File names may hold any bytes; those that are not UTF-8 are spelled out (\\xff), as Parquet holds text only."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
