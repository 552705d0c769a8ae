"""What can be classified: the files of a source, or the rows of a pool of ingested images.

Both are a list of inputs, cut into parts, and answer one part after the other; on a node of Ray as here, with the same batches,
so that the answers are the same.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from ssgan.config import DataConfig, FolderSource, ImageSpec, S3Source
from ssgan.data.decode import DecodeLimits
from ssgan.data.digests import as_hex
from ssgan.data.files import named_images
from ssgan.data.index import paths_of_rows
from ssgan.data.remote import RemoteJob, folder_identity, open_job, remote_job
from ssgan.data.sources import ImageSource, Item, make_source, text
from ssgan.data.store import ImageStore
from ssgan.data.workers import DecodeJob, prepared
from ssgan.errors import ConfigError, DataError
from ssgan.features.files import FeatureFiles
from ssgan.prediction.by_id import inputs_of
from ssgan.prediction.score import PartResult, Scorer, part_result
from ssgan.storage import is_s3

FILES = pa.schema([("path", pa.binary()), ("size", pa.int64()), ("reason", pa.string()), ("detail", pa.binary())])
SLICES = pa.schema([("sha256", pa.string()), ("start", pa.int64()), ("stop", pa.int64())])
POOL_BATCH = 256  # images that the network gets at once


class PartPredictor(Protocol):
    """Predicts a part of a list of inputs; it may travel to another process, but for what it has opened."""

    def predict(self, scorer: Scorer, rows: pa.Table) -> PartResult:
        """The answers for some rows of the list. Raises SsganError."""


class PredictionInputs(PartPredictor, Protocol):
    """Inputs that can be classified."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def place(self) -> str:
        """Tells it from other inputs, wherever the command is called."""

    def listing(self, spec: ImageSpec, part_files: int) -> pa.Table:
        """The list of inputs, for a model that takes images like ``spec``. Raises DataError, StorageError."""

    def part_rows(self, part_files: int) -> int:
        """How many rows of the list are a part of about ``part_files`` images."""

    def size(self, rows: pa.Table) -> int:
        """How many images or files some rows of the list stand for."""

    def on_node(self, spec: ImageSpec) -> PartPredictor:
        """The same for the processes of a cluster."""


# --- files -----------------------------------------------------------------------------------------------------------


class FileInputs:
    """All files below a folder or ``s3://bucket/prefix``, read and decoded as ``ingest`` does."""

    def __init__(self, where: str) -> None:
        self.name = where
        self.place = where if is_s3(where) else os.path.abspath(where)
        self._source = S3Source(url=where, layout="flat") if is_s3(where) else FolderSource(path=self.place, layout="flat")

    @cached_property
    def _opened(self) -> ImageSource:
        return make_source(self._source)

    def listing(self, spec: ImageSpec, part_files: int) -> pa.Table:
        """Every file. Names may hold any bytes."""
        items = list(self._opened.items())
        problems = [item.problem or (None, None) for item in items]
        columns = [
            [os.fsencode(item.path) for item in items],
            [item.size for item in items],
            [reason for reason, _ in problems],
            [None if detail is None else os.fsencode(detail) for _, detail in problems],
        ]
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, FILES, strict=True)], schema=FILES)

    def part_rows(self, part_files: int) -> int:
        return part_files

    def size(self, rows: pa.Table) -> int:
        return len(rows)

    def predict(self, scorer: Scorer, rows: pa.Table) -> PartResult:
        return _predict_files(scorer, self._job(scorer.model.image), rows, workers=None)

    def on_node(self, spec: ImageSpec) -> PartPredictor:
        return _FilesOnNode(self.place, folder_identity(self._source), remote_job(self._source, self._job(spec)))

    def _job(self, spec: ImageSpec) -> DecodeJob:
        return DecodeJob(self._opened, spec, DecodeLimits.of(DataConfig()))


class _FilesOnNode(NamedTuple):
    """No credentials, no listing: the node opens the source itself."""

    where: str
    folder: tuple[Any, ...] | None  # which folder the driver reads; None: S3
    remote: RemoteJob

    def predict(self, scorer: Scorer, rows: pa.Table) -> PartResult:
        _require_shared(self.where, self.folder, folder_identity(self.remote.source))
        job = open_job(self.remote)
        return _predict_files(scorer, job, rows, workers=max(1, job.source.threads))


class _ListedSource:
    """Some of the files of a source, as a source."""

    def __init__(self, source: ImageSource, rows: pa.Table) -> None:
        self._source, self._rows = source, rows
        self.name, self.folder, self.notes, self.threads = source.name, source.folder, source.notes, source.threads

    def classes(self) -> list[str]:
        return []

    def items(self) -> Iterator[Item]:
        for row in self._rows.to_pylist():
            problem = (row["reason"], os.fsdecode(row["detail"])) if row["reason"] else None
            yield Item(os.fsdecode(row["path"]), row["size"], problem=problem)

    def read(self, item: Item, max_bytes: int) -> bytes:
        return self._source.read(item, max_bytes)


def _predict_files(scorer: Scorer, job: DecodeJob, rows: pa.Table, workers: int | None) -> PartResult:
    batches: list[pa.RecordBatch] = []
    rejected: list[tuple[str, str, str]] = []
    # Threads: torch has threads of its own by now, and a forked process would inherit their locks.
    for items, batch in prepared(job._replace(source=_ListedSource(job.source, rows)), workers, kind="threads"):
        rejected += [(text(items[i].path), reason, text(detail)) for i, reason, detail in batch.rejected]
        if batch.accepted:
            paths = [text(items[i].path) for i in batch.accepted]
            batches.append(scorer.rows([digest.hex() for digest in batch.digests], [*paths], batch.pixels))
    return part_result(scorer, batches, rejected)


# --- the pool --------------------------------------------------------------------------------------------------------


class PoolInputs:
    """The images in a folder of shards (data/images), or of a set (data/splits/unlabeled). A row of its list is some of them.

    Args:
        features: of these images, where the model learned on such.
    """

    def __init__(self, folder: Path, features: FeatureFiles | None = None) -> None:
        self.name, self.place, self._features = str(folder), os.path.abspath(folder), features

    def listing(self, spec: ImageSpec, part_files: int) -> pa.Table:
        """Raises DataError: no image there, or images of another shape than ``spec``."""
        store, rows = named_images(Path(self.place))
        if store.spec != spec and self._features is None:
            raise DataError(f"{self.name} holds images {store.spec}, the model takes {spec}; name the pool of that model")
        version = hashlib.sha256(store.describe()["identity"].encode() + rows.tobytes()).hexdigest()
        found = [(version, start, min(start + part_files, len(rows))) for start in range(0, len(rows), part_files)]
        columns = [list(column) for column in zip(*found, strict=True)] or [[], [], []]
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, SLICES, strict=True)], schema=SLICES)

    def part_rows(self, part_files: int) -> int:
        return 1

    def size(self, rows: pa.Table) -> int:
        return sum(row["stop"] - row["start"] for row in rows.to_pylist())

    def predict(self, scorer: Scorer, rows: pa.Table) -> PartResult:
        """Raises DataError where images are gone."""
        batches: list[pa.RecordBatch] = []
        inputs_for = inputs_of(scorer.model, self._features)
        store, images = named_images(Path(self.place))
        for row in rows.to_pylist():
            some = images[row["start"] : row["stop"]]
            ids, pixels = as_hex(store.gather(some, "id")), store.pixels(some)
            paths, inputs = self._paths(store, row["start"], row["stop"]), inputs_for(ids, pixels)
            for at in range(0, len(ids), POOL_BATCH):
                part = slice(at, at + POOL_BATCH)
                batches.append(scorer.rows(ids[part], paths[part], inputs[part]))
        return part_result(scorer, batches, [])

    def _paths(self, store: ImageStore, start: int, stop: int) -> list[str | None]:
        """Of rows of a folder of shards, where their index lies beside it; None for those of a set."""
        index = Path(store.root).with_name("index")
        if store.root != Path(self.place).as_posix() or not index.is_dir():
            return [None] * (stop - start)
        return list(paths_of_rows(index, store, start, stop))

    def identity(self) -> tuple[Any, ...] | None:
        """Of the folder of shards, or of the one that holds the set."""
        folder = self.place if os.path.isdir(self.place) else os.path.dirname(self.place)
        return folder_identity(FolderSource(path=folder))

    def on_node(self, spec: ImageSpec) -> PartPredictor:
        return _PoolOnNode(self, self.identity())


class _PoolOnNode(NamedTuple):
    pool: PoolInputs
    folder: tuple[Any, ...] | None

    def predict(self, scorer: Scorer, rows: pa.Table) -> PartResult:
        _require_shared(self.pool.place, self.folder, self.pool.identity())
        return self.pool.predict(scorer, rows)


def _require_shared(where: str, drivers: tuple[Any, ...] | None, here: tuple[Any, ...] | None) -> None:
    """Raises ConfigError where a folder of this node is not that of the driver."""
    if drivers != here:
        raise ConfigError(
            f"the Ray node {platform.node()} does not share {where!r} with the machine that runs predict; "
            "upload the images to S3 and name s3://bucket/prefix, or use --workers local"
        )
