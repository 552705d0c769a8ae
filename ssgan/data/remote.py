"""One task of an ingest over Ray: what travels to it, and what a process of some node does with it. Ray is not needed here."""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssgan.config import ImageSpec, S3Source, Source, TorchvisionSource
from ssgan.data.decode import DecodeLimits
from ssgan.data.pools import single_threaded_libraries
from ssgan.data.recipe import versions
from ssgan.data.rejections import Rejected
from ssgan.data.signatures import Signatures
from ssgan.data.sources import Item, make_source
from ssgan.data.workers import DecodeJob, Prepared, prepare
from ssgan.errors import ConfigError, DataError


class RemoteJob(NamedTuple):
    """What every task gets besides its files. It holds no credentials and no listing."""

    source: Source
    spec: ImageSpec
    limits: DecodeLimits
    folder: tuple[Any, ...] | None  # identity of the folder that the driver reads; None: S3
    versions: tuple[tuple[str, str], ...]
    witness: Item | None  # an object of S3 that the driver has read
    stage: str = "ingest"  # how errors name who asks
    workers: str = "data.workers"  # the key of params.yaml that asked for Ray


def remote_job(source: Source, job: DecodeJob) -> RemoteJob:
    """What the tasks of ``job`` need; it is read from ``source``."""
    if isinstance(source, TorchvisionSource):
        source = source.model_copy(update={"root": os.path.abspath(source.root), "download": False})
    elif not isinstance(source, S3Source):
        source = source.model_copy(update={"path": os.path.abspath(source.path)})  # tasks run in another folder
    return RemoteJob(source, job.spec, job.limits, folder_identity(source), versions(), _witness(source, job))


def folder_identity(source: Source) -> tuple[Any, ...] | None:
    """Tells a local folder from one of the same name on another machine or in another container. None: S3, or no folder."""
    path = _local_path(source)
    if path is None or not os.path.isdir(path):
        return None
    boot, found = Path("/proc/sys/kernel/random/boot_id"), os.stat(path)
    return boot.read_text() if boot.exists() else platform.node(), found.st_dev, found.st_ino


def _local_path(source: Source) -> str | None:
    if isinstance(source, S3Source):
        return None
    return source.root if isinstance(source, TorchvisionSource) else source.path


def _witness(source: Source, job: DecodeJob) -> Item | None:
    """The first object that can be read. Every process reads it first: only so can it tell that another one is forbidden."""
    if isinstance(source, S3Source):
        for item in job.source.items():
            if item.problem is None and (item.size or 0) <= job.limits.max_file_bytes:
                with suppress(Rejected):
                    job.source.read(item, job.limits.max_file_bytes)
                    return item
    return None


# --- on a node ---------------------------------------------------------------------------------------------------------


def ray_ingest_task(remote: RemoteJob, items: list[Item]) -> Prepared:
    """One list of files, on whatever node. Raises SsganError."""
    job = open_job(remote)
    with single_threaded_libraries():
        if not job.source.threads:
            return prepare(job, items)
        size = -(-len(items) // job.source.threads)
        with ThreadPoolExecutor(job.source.threads) as pool:  # reads wait for the network, not for a core
            parts = pool.map(partial(prepare, job), [items[i : i + size] for i in range(0, len(items), size)])
            return _joined(list(parts), size)


@lru_cache(maxsize=1)
def open_job(remote: RemoteJob) -> DecodeJob:
    """Opened once in each process. Raises SsganError where this node cannot do the same as the driver."""
    for (name, theirs), (_, ours) in zip(remote.versions, versions(), strict=True):
        if theirs != ours:
            raise DataError(
                f"the Ray node {platform.node()} has {name} {ours}, but {remote.stage} was started with {theirs}, so pixels "
                "could differ; install the same packages there"
            )
    if folder_identity(remote.source) != remote.folder:
        key = "root" if isinstance(remote.source, TorchvisionSource) else "path"
        raise ConfigError(
            f"data.source.{key} is {_local_path(remote.source)!r}, which the Ray node {platform.node()} does not share with "
            f"the machine that runs {remote.stage}; upload the images to S3 and set data.source to "
            f"{{kind: s3, url: s3://bucket/prefix}}, or set {remote.workers} to local"
        )
    source = make_source(remote.source)
    if remote.witness:
        with suppress(Rejected):
            source.read(remote.witness, remote.limits.max_file_bytes)
    return DecodeJob(source, remote.spec, remote.limits)


def _joined(parts: list[Prepared], size: int) -> Prepared:
    """What one call makes of all items, from what was made of every ``size`` of them."""
    return Prepared(
        [number * size + position for number, part in enumerate(parts) for position in part.accepted],
        [header for part in parts for header in part.headers],
        np.concatenate([part.pixels for part in parts]),
        Signatures.join([part.signatures for part in parts]),
        [
            (number * size + position, reason, detail)
            for number, part in enumerate(parts)
            for position, reason, detail in part.rejected
        ],
        [found for part in parts for found in part.read],
    )
