"""What becomes of one part of the inputs: files or rows of the pool in, a table of answers and one of rejected files out.

The same function does it in this process and in a task of Ray, with the same batches, so that the answers are the same.

Letters: N images of a batch, K classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.sources import ImageSource, Item
from ssgan.data.workers import Job, prepared
from ssgan.errors import DataError
from ssgan.evaluation.published import Published
from ssgan.evaluation.scores import log_softmax
from ssgan.hashing import file_sha256
from ssgan.model import Model

NAMES = pa.schema([("id", pa.string()), ("path", pa.string())])
FILES = pa.schema([("path", pa.binary()), ("size", pa.int64()), ("reason", pa.string()), ("detail", pa.binary())])
SLICES = pa.schema([("shard", pa.string()), ("sha256", pa.string()), ("start", pa.int64()), ("stop", pa.int64())])
POOL_BATCH = 256  # images that the network gets at once


@dataclass(frozen=True)
class Scorer:
    """A model with what evaluation published of it."""

    model: Model
    published: Published
    top_k: int

    def rows(self, ids: list[str], paths: list[str | None], pixels: npt.NDArray[np.uint8]) -> pa.RecordBatch:
        """Answers for N images (N, C, S, S)."""
        logits = self.model.predict_logits(pixels).astype(np.float64)
        probability = np.exp(log_softmax(logits, self.published.temperature))
        order = np.argsort(-probability, axis=1, kind="stable")[:, : self.top_k]
        columns: list[Any] = [ids, paths]
        for rank in range(self.top_k):
            best = order[:, rank]
            columns += [[self.model.classes[k] for k in best], probability[np.arange(len(order)), best]]
        columns += [self._abstain(probability.max(axis=1)), [self.published.model_id] * len(ids)]
        wanted = output_schema(self.top_k)
        return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, wanted, strict=True)], schema=wanted)

    def _abstain(self, top: npt.NDArray[np.float64]) -> list[str]:
        threshold = self.published.threshold
        return ["never"] * len(top) if threshold is None else np.where(top <= threshold, "yes", "no").tolist()


def output_schema(top_k: int) -> pa.Schema:
    """id (sha256 of the file's bytes), path, label and probability of the most probable class, the runners-up, ``abstain``
    ("yes": leave it to a person; "never": the model has no threshold) and the model."""
    fields = list(NAMES)
    for rank in range(1, top_k + 1):
        end = "" if rank == 1 else f"_{rank}"
        fields += [pa.field(f"label{end}", pa.string()), pa.field(f"probability{end}", pa.float64())]
    return pa.schema([*fields, pa.field("abstain", pa.string()), pa.field("model_id", pa.string())])


class Outcome(NamedTuple):
    """What became of one part: a row of one of the tables for every file, in the order of the listing."""

    predicted: pa.Table
    rejected: pa.Table


# --- files -----------------------------------------------------------------------------------------------------------


def list_files(source: ImageSource) -> pa.Table:
    """Every file of ``source``. Names may hold any bytes. Raises DataError, StorageError."""
    items = list(source.items())
    problems = [item.problem or (None, None) for item in items]
    columns = [
        [os.fsencode(item.path) for item in items],
        [item.size for item in items],
        [reason for reason, _ in problems],
        [None if detail is None else os.fsencode(detail) for _, detail in problems],
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, FILES, strict=True)], schema=FILES)


class Listed:
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


def predict_files(scorer: Scorer, job: Job, rows: pa.Table, workers: int | None = None) -> Outcome:
    """Read, decode and classify the files of ``rows`` (a part of ``list_files``). Raises StorageError."""
    batches: list[pa.RecordBatch] = []
    rejected: list[tuple[str, str, str]] = []
    # Threads: torch has threads of its own by now, and a forked process would inherit their locks.
    for items, batch in prepared(job._replace(source=Listed(job.source, rows)), workers, kind="threads"):
        rejected += [(text(items[i].path), reason, text(detail)) for i, reason, detail in batch.rejected]
        if batch.accepted:
            paths = [text(items[i].path) for i in batch.accepted]
            batches.append(scorer.rows([digest.hex() for digest in batch.digests], [*paths], batch.pixels))
    columns = [list(column) for column in zip(*rejected, strict=True)] or [[], [], []]
    return Outcome(
        pa.Table.from_batches(batches, output_schema(scorer.top_k)), pa.table(columns, schema=schema.rejected_schema())
    )


# --- the pool --------------------------------------------------------------------------------------------------------


def list_rows(folder: Path, spec: ImageSpec, size: int) -> pa.Table:
    """Slices of at most ``size`` images of the shards in ``folder`` (data/images or a set of data/splits).

    Raises:
        DataError: no shard there, or images of another shape than ``spec``.
    """
    found: list[tuple[str, str, int, int]] = []
    for shard in schema.shards(folder):
        theirs = schema.spec_of(schema.read_metadata(pq.read_schema(shard), str(shard)))
        if theirs != spec:
            raise DataError(f"{shard} holds images {theirs}, the model takes {spec}; name the pool of that model")
        rows, digest = pq.read_metadata(shard).num_rows, file_sha256(shard)
        found += [(shard.name, digest, start, min(start + size, rows)) for start in range(0, rows, size)]
    columns = [list(column) for column in zip(*found, strict=True)] or [[], [], [], []]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SLICES, strict=True)], schema=SLICES)


def predict_rows(scorer: Scorer, folder: Path, rows: pa.Table) -> Outcome:
    """Classify the slices of ``rows`` (a part of ``list_rows``). Raises DataError where a shard is gone or shorter."""
    batches: list[pa.RecordBatch] = []
    for row in rows.to_pylist():
        ids, paths, pixels = _slice(folder / row["shard"], scorer.model.image, row["start"], row["stop"])
        for at in range(0, len(ids), POOL_BATCH):
            some = slice(at, at + POOL_BATCH)
            batches.append(scorer.rows(ids[some], paths[some], pixels[some]))
    none = pa.table([[], [], []], schema=schema.rejected_schema())
    return Outcome(pa.Table.from_batches(batches, output_schema(scorer.top_k)), none)


def _slice(shard: Path, spec: ImageSpec, start: int, stop: int) -> tuple[list[str], list[str | None], npt.NDArray[np.uint8]]:
    """Ids, paths (None where the set has none) and pixels of some rows, reading no row group but theirs."""
    file = pq.ParquetFile(shard)
    ends = np.cumsum([file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)])
    first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
    names = [name for name in ("id", "path", "pixels") if name in file.schema_arrow.names]
    table = file.read_row_groups(range(first, last + 1), columns=names)
    table = table.slice(start - (int(ends[first - 1]) if first else 0), stop - start)
    ids: list[str] = table["id"].to_pylist()
    paths: list[str | None] = table["path"].to_pylist() if "path" in names else [None] * len(ids)
    return ids, paths, schema.pixels_to_numpy(table["pixels"], spec)


def text(path: str) -> str:
    """File names may hold bytes that are no UTF-8; they are spelled out (\\xff)."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
