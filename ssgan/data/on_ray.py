"""The parallel part of ``ingest`` over a Ray cluster: lists of files become tasks.

Paths travel out, decoded rows come back through Ray's object store; the bytes of files do not travel: every task opens the
source itself, S3 with the credentials of its own node. The driver takes the rows in the order of the listing and writes the
shards, as it does without Ray, so the bytes are the same, and its memory is bounded by the tasks in flight.

A bad file is a row of ``rejected.parquet``, as everywhere. A task whose process or node is lost runs again elsewhere, and
so does one whose result was lost with a node. A task that raises ends the stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ssgan.cluster.connection import OBJECT_STORE_BYTES
from ssgan.cluster.tasks import AHEAD, ErrorText, started_tasks
from ssgan.config import Source
from ssgan.data.pools import WorkerPool
from ssgan.data.remote import RemoteJob, ray_ingest_task, remote_job
from ssgan.data.sources import Item
from ssgan.data.workers import BATCH_BYTES, IngestPool, RemotePool
from ssgan.machine import cores
from ssgan.wording import counted

BATCH_FILES = 2048  # more than on one machine: Ray spends about a millisecond on a task


def ray_pool(source: Source) -> RemotePool:
    """Workers for ``ingest``: tasks of the cluster at RAY_ADDRESS, or of a local Ray that ends with the stage.

    Using them raises:
        ConfigError: a node cannot read the local folder.
        DataError: a node has other decoders; a task failed, or was lost more than RETRIES times; no CPU is left.
        StorageError: the source cannot be read.
        TrainingError: no cluster answers at RAY_ADDRESS.
    """
    return lambda job: _pool(remote_job(source, job))


@contextmanager
def _pool(remote: RemoteJob) -> Iterator[IngestPool]:
    store = max(OBJECT_STORE_BYTES, 2 * AHEAD * cores() * BATCH_BYTES)
    with started_tasks(ray_ingest_task, remote, error_text, "data.workers", store) as (begin, ahead):
        yield WorkerPool(begin, ahead, BATCH_FILES)


def error_text(items: list[Item], workers: str = "data.workers") -> ErrorText:
    """How errors name a task of these files."""
    named = f"the {counted(len(items), 'file')} from {items[0].path!r} to {items[-1].path!r}"
    return ErrorText(named, f"set {workers} to local", "lower data.max_pixels")
