"""One task of ``features`` over Ray: what travels to it, and what a process of a node does with it. Ray is not needed here."""

from __future__ import annotations

import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ssgan import backbones
from ssgan.backbones import Backbone
from ssgan.config import FeaturesConfig, Source
from ssgan.data.pools import single_threaded_libraries
from ssgan.data.remote import RemoteJob, open_job, remote_job
from ssgan.data.workers import DecodeJob
from ssgan.errors import ConfigError, DataError
from ssgan.features.compute import FeatureJob, Pixels, Worker
from ssgan.features.originals import Original


class RemoteFeatures(NamedTuple):
    """What every task gets besides its files. It holds no credentials, no listing and no weights."""

    decoding: RemoteJob
    config: FeaturesConfig
    backbone: Backbone


def remote_features(source: Source, config: FeaturesConfig, job: FeatureJob) -> RemoteFeatures:
    """What the tasks of ``job`` need; it is read from ``source``, and its backbone is that of ``config``."""
    if config.weights:
        config = config.model_copy(update={"weights": os.path.abspath(config.weights)})  # tasks run in another folder
    decoding = remote_job(source, DecodeJob(job.source, job.backbone.image, job.limits))
    return RemoteFeatures(decoding._replace(stage="features", workers="features.workers"), config, job.backbone)


# --- on a node ---------------------------------------------------------------------------------------------------------


def ray_features_task(remote: RemoteFeatures, originals: list[Original]) -> Pixels:
    """(N, V * D * 2) bytes of float16, on whatever node. Raises SsganError."""
    worker = open_worker(remote)
    size = worker.job.images("cpu")
    with single_threaded_libraries(), ThreadPoolExecutor(max(1, worker.job.source.threads)) as pool:
        return np.concatenate(list(pool.map(worker, [originals[i : i + size] for i in range(0, len(originals), size)])))


@lru_cache(maxsize=1)
def open_worker(remote: RemoteFeatures) -> Worker:
    """Opened once in each process. Raises SsganError where this node cannot do the same as the driver."""
    torch.set_num_threads(1)
    source, _, limits, _ = open_job(remote.decoding)
    try:
        backbone, weights = backbones.find(remote.config, remote.decoding.spec.deep_bits)
    except ConfigError as error:
        raise ConfigError(f"the Ray node {platform.node()} says: {error}") from None
    _require_same(remote.backbone, backbone)
    job = FeatureJob(source, backbone, remote.config.views, limits, remote.config.batch_size)
    return Worker(job, backbones.load(backbone, weights), threading.Semaphore(1))


def _require_same(theirs: Backbone, ours: Backbone) -> None:
    if theirs.sha256 != ours.sha256:
        raise DataError(
            f"the Ray node {platform.node()} has weights of {ours.name} with sha256 {ours.sha256[:12]}..., but features was "
            f"started with {theirs.sha256[:12]}...; copy the same file there, or set features.workers to local"
        )
    differing = [key for key, value in theirs.identity.items() if ours.identity[key] != value]
    if differing:
        raise DataError(
            f"the Ray node {platform.node()} has another {', '.join(differing)} of {ours.name} than features was started with; "
            "install the same packages there, or set features.workers to local"
        )
