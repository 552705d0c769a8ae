"""Predictions over a Ray cluster: every part of the list of inputs is a task.

Names travel out, answers come back; neither the bytes of files nor pixels travel: every task opens the source itself, S3 with
the credentials of its own node. The weights travel once, as tensors. The driver takes the parts in their order and writes them,
as it does without Ray; why these are plain tasks and no pipeline of Ray Data stands in docs/decisions/0010.
"""

from __future__ import annotations

import json
import os
import platform
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from safetensors.torch import load, save

from ssgan.config import FolderSource, S3Source
from ssgan.data.decode import Limits
from ssgan.data.workers import Job
from ssgan.errors import ConfigError, DataError
from ssgan.evaluation.published import Published
from ssgan.model import Model
from ssgan.runtime.prediction_task import Outcome, Scorer, predict_files, predict_rows
from ssgan.runtime.ray_connection import OBJECT_STORE_BYTES, connected
from ssgan.runtime.ray_ingest_task import Recipe, job_of, place_of, recipe_of
from ssgan.runtime.ray_tasks import AHEAD, RETRIES, Cpus, Words, outcome
from ssgan.runtime.sources import open_source

Parts = Any  # of ssgan.runtime.prediction: pairs of a number and the rows of the listing


class Assignment(NamedTuple):
    """What every task gets besides its part. No credentials, no listing."""

    source: FolderSource | S3Source
    place: tuple[Any, ...] | None  # which folder the driver reads; None: S3
    files: Recipe | None  # None: the source is a pool
    description: str  # of the model, JSON
    weights: bytes
    published: Published
    top_k: int
    torch: str  # its version


@contextmanager
def on_ray(source: FolderSource | S3Source, scorer: Scorer, limits: Limits, pool: bool) -> Iterator[Any]:
    """A function that maps parts to outcomes, in order, by tasks of the cluster at RAY_ADDRESS or of a local Ray.

    Using it raises:
        ConfigError: a node cannot read the local folder.
        DataError: a node has other packages; a task failed, or was lost more than RETRIES times; no CPU is left.
        StorageError: the source cannot be read.
        TrainingError: no cluster answers at RAY_ADDRESS.
    """
    with connected(OBJECT_STORE_BYTES) as ray:
        cpus = Cpus(ray)
        if not cpus():
            raise DataError("--workers is ray, but the cluster at RAY_ADDRESS has no CPU; add a node, or use --workers local")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(ray_prediction_task)
        shared = ray.put(_assignment(source, scorer, limits, pool))

        def run(parts: Parts) -> Iterator[tuple[int, Outcome]]:
            left, flying = iter(parts), deque[tuple[int, pa.Table, Any]]()
            while True:
                while len(flying) < AHEAD * max(1, cpus()) and (part := next(left, None)):
                    flying.append((*part, task.remote(shared, part[1])))
                if not flying:
                    return
                number, rows, reference = flying.popleft()
                yield number, outcome(ray, cpus, reference, _words(number, rows))

        yield run


def _assignment(source: FolderSource | S3Source, scorer: Scorer, limits: Limits, pool: bool) -> Assignment:
    files = None if pool else recipe_of(source, Job(open_source(source), scorer.model.image, limits))
    weights = {name: tensor.contiguous() for name, tensor in scorer.model.nets.state_dict().items()}
    return Assignment(
        source,
        place_of(source),
        files,
        json.dumps(scorer.model.description),
        save(weights),
        scorer.published,
        scorer.top_k,
        version("torch"),
    )


def _words(number: int, rows: pa.Table) -> Words:
    return Words(f"part {number} ({len(rows)} rows of inputs.parquet)", "use --workers local", "lower --part-files")


# --- on a node ---------------------------------------------------------------------------------------------------------


def ray_prediction_task(assignment: Assignment, rows: pa.Table) -> Outcome:
    """One part, on whatever node. Raises SsganError."""
    scorer = _ready(assignment)
    if assignment.files is None:
        return predict_rows(scorer, Path(_folder(assignment.source)), rows)
    job = job_of(assignment.files)
    return predict_files(scorer, job, rows, workers=max(1, job.source.threads))


@lru_cache(maxsize=1)
def _ready(assignment: Assignment) -> Scorer:
    """The model, once in each process. Raises SsganError where this node cannot do the same as the driver."""
    if version("torch") != assignment.torch:
        raise DataError(
            f"the Ray node {platform.node()} has torch {version('torch')}, but predict was started with {assignment.torch}; "
            "install the same packages there"
        )
    if place_of(assignment.source) != assignment.place:
        raise ConfigError(
            f"the Ray node {platform.node()} does not share {_folder(assignment.source)!r} with the machine that runs predict; "
            "upload the images to S3 and name s3://bucket/prefix, or use --workers local"
        )
    model = Model(json.loads(assignment.description), load(assignment.weights))
    return Scorer(model, assignment.published, assignment.top_k)


def _folder(source: FolderSource | S3Source) -> str:
    return source.url if isinstance(source, S3Source) else os.path.abspath(source.path)
