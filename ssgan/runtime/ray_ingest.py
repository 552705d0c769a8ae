"""The parallel part of ``ingest`` over a Ray cluster: lists of files become tasks.

Paths travel out, decoded rows come back through Ray's object store; the bytes of files do not travel: every task opens the
source itself, S3 with the credentials of its own node. The driver takes the rows in the order of the listing and writes the
shards, as it does without Ray, so the bytes are the same, and its memory is bounded by the tasks in flight.

A bad file is a row of ``rejected.parquet``, as everywhere. A task whose process or node is lost runs again elsewhere, and
so does one whose result was lost with a node. A task that raises ends the stage.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssgan.config import ImageSpec, S3Source, Source, TorchvisionSource
from ssgan.data.decode import Limits
from ssgan.data.sources import Item
from ssgan.data.workers import BATCH_BYTES, Elsewhere, Job, Pool, Prepared, cores, one_thread_below, prepare
from ssgan.errors import ConfigError, DataError, SsganError
from ssgan.runtime.ray_connection import OBJECT_STORE_BYTES, connected
from ssgan.runtime.sources import open_source

BATCH_FILES = 2048  # more than on one machine: Ray spends about a millisecond on a task
AHEAD = 4  # tasks in flight for each CPU
RETRIES = 5  # of a task whose process or node was lost; Ray's own 3 are few where nodes are cheap and short-lived
PATIENCE_S = 30.0  # until the driver looks whether there is anybody left to wait for
RECOUNT_S = 5.0  # between two looks at the size of a cluster, which may grow
DECODERS = ("ssgan", "numpy", "opencv-python-headless", "simplejpeg", "pillow")  # their versions decide the pixels


class Recipe(NamedTuple):
    """What every task gets besides its files. It holds no credentials and no listing."""

    source: Source
    spec: ImageSpec
    limits: Limits
    place: tuple[Any, ...] | None  # which folder the driver reads; None: S3
    versions: tuple[tuple[str, str], ...]


def elsewhere(source: Source) -> Elsewhere:
    """Workers for ``ingest``: tasks of the cluster at RAY_ADDRESS, or of a local Ray that ends with the stage.

    Using them raises:
        ConfigError: a node cannot read the local folder.
        DataError: a node has other decoders; a task failed, or was lost more than RETRIES times; no CPU is left.
        StorageError: the source cannot be read.
        TrainingError: no cluster answers at RAY_ADDRESS.
    """
    return lambda job: _tasks(_recipe(source, job))


def _recipe(source: Source, job: Job) -> Recipe:
    if isinstance(source, TorchvisionSource):
        source = source.model_copy(update={"root": os.path.abspath(source.root), "download": False})
    elif not isinstance(source, S3Source):
        source = source.model_copy(update={"path": os.path.abspath(source.path)})  # tasks run in another folder
    return Recipe(source, job.spec, job.limits, _place(source), _versions())


def _place(source: Source) -> tuple[Any, ...] | None:
    """Tells a local folder from one of the same name on another machine, or in another container. None: S3, or no folder."""
    path = _local_path(source)
    if path is None or not os.path.isdir(path):
        return None
    boot, found = Path("/proc/sys/kernel/random/boot_id"), os.stat(path)
    return boot.read_text() if boot.exists() else platform.node(), found.st_dev, found.st_ino


def _local_path(source: Source) -> str | None:
    if isinstance(source, S3Source):
        return None
    return source.root if isinstance(source, TorchvisionSource) else source.path


def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name)) for name in DECODERS)


# --- the driver ------------------------------------------------------------------------------------------------------


@contextmanager
def _tasks(recipe: Recipe) -> Iterator[Pool]:
    with connected(max(OBJECT_STORE_BYTES, 2 * AHEAD * cores() * BATCH_BYTES)) as ray:
        cpus = _Cpus(ray)
        if not cpus():
            raise DataError("data.workers is 'ray', but the cluster at RAY_ADDRESS has no CPU; add a node, or set it to local")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_task)
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


# --- the workers -----------------------------------------------------------------------------------------------------


def _task(recipe: Recipe, items: list[Item]) -> Prepared:
    """One list of files, on whatever node. Raises SsganError."""
    job = _job(recipe)
    with one_thread_below():
        if not job.source.threads:
            return prepare(job, items)
        size = -(-len(items) // job.source.threads)
        with ThreadPoolExecutor(job.source.threads) as pool:  # reads wait for the network, not for a core
            parts = pool.map(partial(prepare, job), [items[i : i + size] for i in range(0, len(items), size)])
            return _joined(list(parts), size)


@lru_cache(maxsize=1)
def _job(recipe: Recipe) -> Job:
    """Opened once in each process. Raises ConfigError or DataError where this node cannot do the same as the driver."""
    for (name, theirs), (_, ours) in zip(recipe.versions, _versions(), strict=True):
        if theirs != ours:
            raise DataError(
                f"the Ray node {platform.node()} has {name} {ours}, but ingest was started with {theirs}, so pixels could "
                "differ; install the same packages there"
            )
    if _place(recipe.source) != recipe.place:
        key = "root" if isinstance(recipe.source, TorchvisionSource) else "path"
        raise ConfigError(
            f"data.source.{key} is {_local_path(recipe.source)!r}, which the Ray node {platform.node()} does not share with "
            "the machine that runs ingest; upload the images to S3 and set data.source to {kind: s3, url: s3://bucket/prefix}, "
            "or set data.workers to local"
        )
    return Job(open_source(recipe.source), recipe.spec, recipe.limits)


def _joined(parts: list[Prepared], size: int) -> Prepared:
    """What one call makes of all items, from what was made of every ``size`` of them."""
    return Prepared(
        [number * size + position for number, part in enumerate(parts) for position in part.accepted],
        [digest for part in parts for digest in part.digests],
        [header for part in parts for header in part.headers],
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.hashes for part in parts]),
        [
            (number * size + position, reason, detail)
            for number, part in enumerate(parts)
            for position, reason, detail in part.rejected
        ],
        sum(part.bytes_read for part in parts),
    )
