"""``ingest``: every file of a source becomes one row of ``images/``, ``duplicates.parquet`` or ``rejected.parquet``.

    items -> batches -> [workers: read, sha256, decode, hash] -> in order: exact duplicates out -> shards

What an earlier ingest has done is not done again (decision 0011): files that have not changed since are not read
(``ingest_index``), bytes that a shard holds are not decoded (``earlier``). Shards depend on that history, in which image lies
in which file; the set of rows, and the two tables, do not: they are those of an ingest that begins with nothing.

Raw files are only read. The result depends neither on the number of workers nor on their kind: batches are cut and joined in
the order of the listing. Of identical files the first in that order is kept. Memory is bounded by the batches in flight and
one shard, and by what is kept of every image: its id, and where it came from.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from ssgan.config import DataConfig
from ssgan.data.batches import TO_READ, FileBatch
from ssgan.data.conspicuous import conspicuous
from ssgan.data.decode import DecodeLimits, Header
from ssgan.data.digests import NONE, DigestMap, digests
from ssgan.data.earlier import PreviousShards
from ssgan.data.image_shards import ImageBatch, ImageRow, ShardWriter, finish_duplicates
from ssgan.data.ingest_index import FileOutcome, Index, IndexWriter, StaleIndexError
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.pools import WorkerKind
from ssgan.data.recipe import DecodeRecipe, recipe
from ssgan.data.replacing import replacing_all
from ssgan.data.row_writer import RowWriter
from ssgan.data.schema import duplicates_schema, rejected_schema
from ssgan.data.sources import ImageSource, Item, text
from ssgan.data.sources.listing import I64
from ssgan.data.workers import DecodeJob, Prepared, RemotePool, prepared_new
from ssgan.errors import ConfigError, DataError
from ssgan.wording import counted

INDEX = ".ingest-index.parquet"  # a cache of this machine, which DVC does not see
REMOVED = -2  # in place of a row
NO_DIGEST = bytes(32)  # of a file that was not read: no file's
OUTPUTS = ("rejected.parquet", "duplicates.parquet", "images", "index", INDEX)


def ingest(
    source: ImageSource,
    config: DataConfig,
    out: Path,
    workers: int | None = None,
    kind: WorkerKind = "auto",
    progress: Callable[[int], None] | None = None,
    remote_pool: RemotePool | None = None,
    removed: frozenset[bytes] = frozenset(),
) -> IngestSummary:
    """Write ``images/``, ``index/``, ``rejected.parquet``, ``duplicates.parquet`` into ``out``: they tell of every file.

    What ``out`` held before under these names is replaced at the end, all together, once everything is written.

    Args:
        workers: None: one per core, more where the source asks for it.
        kind: threads, processes, or auto: whatever is faster and safe. The result depends neither on it nor on ``workers``.
        progress: called with the number of files seen so far, after every batch.
        remote_pool: workers of other machines, in place of ``workers`` and ``kind``.
        removed: sha256 of images that must not come back.

    Raises:
        ConfigError: ``out`` would write into the raw images.
        DataError: the source has no file, none of them is an image, or another ingest is running.
        StorageError: the source cannot be read.
    """
    out = Path(out)
    _check_apart(source, out)
    how = (workers, kind, remote_pool)
    try:
        return _ingest(source, config, out, removed, how, progress)
    except StaleIndexError as stale:
        (out / INDEX).unlink()
        summary = _ingest(source, config, out, removed, how, progress)
        summary.notes = [*summary.notes, f"{stale}, so all files were read."]
        return summary


def _ingest(
    source: ImageSource,
    config: DataConfig,
    out: Path,
    removed: frozenset[bytes],
    how: tuple[int | None, WorkerKind, RemotePool | None],
    progress: Callable[[int], None] | None,
) -> IngestSummary:
    made_by = recipe(config.image, DecodeLimits.of(config))
    with replacing_all(out, OUTPUTS) as building, _few_collections():
        build = _IngestOutputs(source, made_by, config.shard_bytes, out, building, removed)
        with closing(prepared_new(build.job, build.recall, *how)) as batches:
            for batch, outcome in batches:
                build.add(batch, outcome)
                if progress:
                    progress(build.summary.seen)
        build.finish()
    return build.summary


def _check_apart(source: ImageSource, out: Path) -> None:
    if source.folder is None:
        return
    raw, images = Path(source.folder).resolve(), (out / "images").resolve()
    if images.is_relative_to(raw) or raw.is_relative_to(images):
        raise ConfigError(
            f"data.source.path is {source.folder!r} and overlaps the output {images}; keep raw images in a folder of their own"
        )


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows make no cycles; to look for some among millions of them every 700 allocations takes a quarter of the time."""
    before = gc.get_threshold()
    gc.set_threshold(20000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _IngestOutputs:
    """The outputs while they are written into ``folder``; ``out`` holds those of the run before."""

    def __init__(
        self, source: ImageSource, made_by: DecodeRecipe, shard_bytes: int, out: Path, folder: Path, removed: frozenset[bytes]
    ) -> None:
        self.summary = IngestSummary(source.name, source.classes())
        self._source, self._folder = source, folder
        self._previous = previous = PreviousShards(out, made_by)
        rows = np.concatenate([np.full(len(removed), REMOVED), np.arange(len(previous.digests))])
        self._rows = DigestMap(np.concatenate([digests(removed), previous.digests]), rows)
        self._index = Index(out / INDEX, made_by, source.name, self._rows)
        self._shards = ShardWriter(folder, made_by, shard_bytes, previous.next_number)
        self._rejected = RowWriter(folder / "rejected.parquet", rejected_schema())
        self._duplicates = RowWriter(folder / "found.parquet", duplicates_schema())
        self._next_index = IndexWriter(folder / INDEX, made_by, source.name, self._index)
        self._seen: set[bytes] = set()  # the beginnings of ids that no earlier shard holds
        self.recall = self._index.recall
        self.job = DecodeJob(source, made_by.spec, made_by.limits, self._rows)

    def add(self, batch: FileBatch, made: Prepared) -> None:
        """Give every file of a batch its place."""
        summary, unread = self.summary, batch.unread
        read = self._outcomes(batch, made)
        rows = self._rows_of(batch, read)
        kept = self._previous.keep_unmoved(rows, batch.files)
        recalled = np.flatnonzero(~kept & (batch.known != TO_READ))
        self._next_index.add(batch, read)
        summary.seen += len(batch.known)
        summary.decoded += len(made.accepted)
        summary.accepted += int(kept.sum())
        summary.bytes += sum(one.size for one in read) + self._index.bytes(batch.known)
        outcomes = dict(zip(unread.tolist(), read, strict=True))
        outcomes.update(zip(recalled.tolist(), self._index.outcomes(batch.known[recalled]), strict=True))
        picture = {position: i for i, position in enumerate(unread[made.accepted].tolist())}
        new: list[ImageRow] = []
        chosen: list[int] = []
        others = np.flatnonzero(~kept).tolist()
        for i, item in zip(others, batch.files.items(others), strict=True):
            if self._is_new(item, outcomes[i], int(rows[i])):
                chosen.append(picture[i])
                new.append(_image_row(item, outcomes[i], made.headers[picture[i]]))
        if len(new) == len(made.accepted):  # mostly: pixels are not copied
            self._shards.add(ImageBatch(new, made.pixels, made.signatures))
        else:
            self._shards.add(ImageBatch(new, made.pixels[chosen], made.signatures.take(chosen)))

    def _outcomes(self, batch: FileBatch, made: Prepared) -> list[FileOutcome]:
        """What became of every file that was to be read."""
        refused = {number: why for number, *why in made.rejected}
        read = [FileOutcome(*(found or (b"", 0)), *refused.get(i, ())) for i, found in enumerate(made.read)]
        for position, outcome in zip(batch.unread.tolist(), read, strict=True):
            if outcome.digest:
                self._index.verify(batch.files.paths[position], outcome)
                self.summary.read += 1
        return read

    def _rows_of(self, batch: FileBatch, read: list[FileOutcome]) -> I64:
        """(N,) the row of every file's image in earlier shards; NONE, REMOVED."""
        recalled = batch.known != TO_READ
        rows = np.empty(len(recalled), np.int64)
        rows[recalled] = self._index.numbers[batch.known[recalled]]
        rows[~recalled] = self._rows.get(digests(one.digest or NO_DIGEST for one in read))
        return rows

    def _is_new(self, item: Item, outcome: FileOutcome, row: int) -> bool:
        """Whether the file is an image that no shard holds; if it is not, it is accounted for."""
        if row == REMOVED:
            self.summary.removed += 1
            return False
        if outcome.reason:
            self._reject(item, outcome)
            return False
        place = (text(item.path), item.folder_class, item.official_split)
        first = self._add_id(outcome.digest) if row == NONE else self._previous.keep(row, place)
        if first:
            self.summary.accepted += 1
        else:
            self.summary.duplicates += 1
            self._duplicates.add((outcome.digest, *place, False))
        return first and row == NONE

    def _add_id(self, digest: bytes) -> bool:
        """Whether it was not there before. Of 128 bits, no collision is to be expected before 10**18 images."""
        before = len(self._seen)
        self._seen.add(digest[:16])
        return len(self._seen) > before

    def _reject(self, item: Item, outcome: FileOutcome) -> None:
        self.summary.rejected[outcome.reason] += 1
        self._rejected.add((text(item.path), outcome.reason, text(outcome.detail)))

    def finish(self) -> None:
        """Write the rest. Raises DataError where there is no image."""
        summary = self.summary
        if not summary.accepted:
            raise _nothing_accepted(self._source, summary)
        summary.shards_kept = self._previous.carry(self._shards, self._folder)
        for writer in (self._shards, self._rejected, self._duplicates, self._next_index):
            writer.close()
        across = finish_duplicates(self._folder / "found.parquet", self._folder / "index", self._folder / "duplicates.parquet")
        summary.duplicates_across_classes, summary.duplicates_across_splits = across
        summary.shards = len(list((self._folder / "images").iterdir()))
        summary.pictures = conspicuous(self._folder / "index")
        summary.notes = self._source.notes
        summary.check()


def _image_row(item: Item, outcome: FileOutcome, header: Header) -> ImageRow:
    h, place = header, (item.folder_class, item.official_split)
    return ImageRow(outcome.digest, text(item.path), h.height, h.width, h.mode, *place, h.bits, h.low, h.high, h.damaged)


def _nothing_accepted(source: ImageSource, summary: IngestSummary) -> DataError:
    if not summary.seen:
        return DataError(f"{source.name} contains no files; put images there or correct data.source")
    top = ", ".join(f"{count} {reason}" for reason, count in summary.rejected.most_common(3))
    removed = f", {summary.removed} removed" if summary.removed else ""
    return DataError(
        f"none of the {counted(summary.seen, 'file')} of {source.name} is an image that can be used ({top}{removed}); "
        "correct data.source or the limits"
    )
