"""The parallel part of ``features`` over a Ray cluster: lists of files become tasks, on one CPU each.

Paths travel out, rows of features come back; neither files nor weights travel: every task opens the source itself, and has the
backbone from its own node, once in each process. The driver takes the rows in order and writes the shards, as it does without
Ray. Ids and rows are the same; features are within the tolerance of ``ssgan/features``, as processors round differently.

A task whose process or node is lost runs again elsewhere. A task that raises ends the stage; what was computed stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ssgan.cluster.connection import OBJECT_STORE_BYTES
from ssgan.cluster.tasks import ErrorText, started_tasks
from ssgan.config import FeaturesConfig, Source
from ssgan.data.on_ray import error_text
from ssgan.data.pools import WorkerPool
from ssgan.features.compute import FeatureJob, FeaturePool, FeatureWorkers
from ssgan.features.originals import Original
from ssgan.features.remote import ray_features_task, remote_features

BATCH_VIEWS = 64  # of a task: about a second


def ray_pool(source: Source, config: FeaturesConfig) -> FeaturePool:
    """Workers for ``features``: tasks of the cluster at RAY_ADDRESS, or of a local Ray that ends with the stage.

    Using them raises:
        ConfigError: a node cannot read the local folder, or has no weights.
        DataError: a node has other decoders or weights; a task failed, or was lost more than RETRIES times; no CPU is left.
        StorageError: the source cannot be read.
        TrainingError: no cluster answers at RAY_ADDRESS.
    """
    return lambda job: _pool(source, config, job)


@contextmanager
def _pool(source: Source, config: FeaturesConfig, job: FeatureJob) -> Iterator[FeatureWorkers]:
    remote = remote_features(source, config, job)
    with started_tasks(ray_features_task, remote, _error_text, "features.workers", OBJECT_STORE_BYTES) as (begin, ahead):
        yield WorkerPool(begin, ahead, max(1, BATCH_VIEWS // job.views))


def _error_text(originals: list[Original]) -> ErrorText:
    return error_text([original.item for original in originals], "features.workers")
