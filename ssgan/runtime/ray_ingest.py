"""The parallel part of ``ingest`` over a Ray cluster: lists of files become tasks.

Paths travel out, decoded rows come back through Ray's object store; the bytes of files do not travel: every task opens the
source itself, S3 with the credentials of its own node. The driver takes the rows in the order of the listing and writes the
shards, as it does without Ray, so the bytes are the same, and its memory is bounded by the tasks in flight.

A bad file is a row of ``rejected.parquet``, as everywhere. A task whose process or node is lost runs again elsewhere, and
so does one whose result was lost with a node. A task that raises ends the stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ssgan.config import Source
from ssgan.data.sources import Item
from ssgan.data.workers import BATCH_BYTES, Elsewhere, Pool, Prepared, cores
from ssgan.errors import DataError, SsganError
from ssgan.runtime.ray_connection import OBJECT_STORE_BYTES, connected
from ssgan.runtime.ray_ingest_task import Recipe, ray_ingest_task, recipe_of

BATCH_FILES = 2048  # more than on one machine: Ray spends about a millisecond on a task
AHEAD = 4  # tasks in flight for each CPU
RETRIES = 5  # of a task whose process or node was lost; Ray's own 3 are few where nodes are cheap and short-lived
PATIENCE_S = 30.0  # until the driver looks whether there is anybody left to wait for
RECOUNT_S = 5.0  # between two looks at the size of a cluster, which may grow


def elsewhere(source: Source) -> Elsewhere:
    """Workers for ``ingest``: tasks of the cluster at RAY_ADDRESS, or of a local Ray that ends with the stage.

    Using them raises:
        ConfigError: a node cannot read the local folder.
        DataError: a node has other decoders; a task failed, or was lost more than RETRIES times; no CPU is left.
        StorageError: the source cannot be read.
        TrainingError: no cluster answers at RAY_ADDRESS.
    """
    return lambda job: _pool(recipe_of(source, job))


@contextmanager
def _pool(recipe: Recipe) -> Iterator[Pool]:
    with connected(max(OBJECT_STORE_BYTES, 2 * AHEAD * cores() * BATCH_BYTES)) as ray:
        cpus = _Cpus(ray)
        if not cpus():
            raise DataError("data.workers is 'ray', but the cluster at RAY_ADDRESS has no CPU; add a node, or set it to local")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(ray_ingest_task)
        shared = ray.put(recipe)

        def begin(items: list[Item]) -> Callable[[], Prepared]:
            return partial(_outcome, ray, cpus, task.remote(shared, items), items)

        yield Pool(begin, lambda: AHEAD * max(1, cpus()), BATCH_FILES)


class _Cpus:
    """How many CPUs the cluster has, asked for anew now and then."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._count, self._until = ray, 0, 0.0

    def __call__(self) -> int:
        if time.monotonic() > self._until:
            self._count = int(self._ray.cluster_resources().get("CPU", 0))
            self._until = time.monotonic() + RECOUNT_S
        return self._count


def _outcome(ray: Any, cpus: _Cpus, reference: Any, items: list[Item]) -> Prepared:
    """Wait for one task. Raises SsganError."""
    while True:
        try:
            return ray.get(reference, timeout=PATIENCE_S)
        except ray.exceptions.GetTimeoutError:
            if not cpus():
                raise DataError(
                    "the Ray cluster has lost all of its CPUs, so nobody works on the files; add a node and run again"
                ) from None
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, SsganError):
                raise cause from None
            raise DataError(
                f"the task for {_named(items)} failed ({type(cause).__name__}: {cause}), which is an error of the code and "
                "not of a file; set data.workers to local to see where, or move these files away"
            ) from cause
        except ray.exceptions.RayError as error:
            raise DataError(
                f"the task for {_named(items)} was lost {RETRIES + 1} times ({type(error).__name__}), for want of memory or "
                "because a file kills its decoder; lower data.max_pixels, or move these files away, and run again"
            ) from error


def _named(items: list[Item]) -> str:
    return f"the {len(items)} files from {items[0].path!r} to {items[-1].path!r}"
