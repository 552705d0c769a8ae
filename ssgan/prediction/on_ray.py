"""Predictions over a Ray cluster: every part of the list of inputs is a task.

Names travel out, answers come back; neither the bytes of files nor pixels travel: every task opens the source itself, S3 with
the credentials of its own node. The weights travel once, as tensors. The driver takes the parts in their order and writes them,
as it does without Ray; why these are plain tasks and no pipeline of Ray Data stands in docs/decisions/0010.
"""

from __future__ import annotations

import json
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import pyarrow as pa
from safetensors.torch import load, save

from ssgan.cluster.connection import OBJECT_STORE_BYTES, connected
from ssgan.cluster.tasks import AHEAD, RETRIES, Cpus, ErrorText, outcome
from ssgan.errors import DataError
from ssgan.evaluation.published import Published
from ssgan.model import Model
from ssgan.prediction.inputs import PartPredictor, PredictionInputs
from ssgan.prediction.score import PartResult, Scorer
from ssgan.wording import counted

Parts = Iterable[tuple[int, pa.Table]]
RunParts = Callable[[Parts], Iterator[tuple[int, PartResult]]]  # outcomes in the order of the parts


class PredictionContext(NamedTuple):
    """What every task gets besides its part. No credentials, no listing."""

    inputs: PartPredictor
    description: str  # of the model, JSON
    weights: bytes
    published: Published
    top_k: int
    torch: str  # its version


@contextmanager
def on_ray(inputs: PredictionInputs, scorer: Scorer) -> Iterator[RunParts]:
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
        shared = ray.put(_context(inputs, scorer))

        def run(parts: Parts) -> Iterator[tuple[int, PartResult]]:
            left, flying = iter(parts), deque[tuple[int, pa.Table, Any]]()
            while True:
                while len(flying) < AHEAD * max(1, cpus()) and (part := next(left, None)):
                    flying.append((*part, task.remote(shared, part[1])))
                if not flying:
                    return
                number, rows, reference = flying.popleft()
                yield number, outcome(ray, cpus, reference, _error_text(number, rows))

        yield run


def _context(inputs: PredictionInputs, scorer: Scorer) -> PredictionContext:
    weights = {name: tensor.contiguous() for name, tensor in scorer.model.nets.state_dict().items()}
    return PredictionContext(
        inputs.on_node(scorer.model.image),
        json.dumps(scorer.model.description),
        save(weights),
        scorer.published,
        scorer.top_k,
        version("torch"),
    )


def _error_text(number: int, rows: pa.Table) -> ErrorText:
    return ErrorText(
        f"part {number} ({counted(len(rows), 'row')} of inputs.parquet)", "use --workers local", "lower --part-files"
    )


# --- on a node ---------------------------------------------------------------------------------------------------------


def ray_prediction_task(context: PredictionContext, rows: pa.Table) -> PartResult:
    """One part, on whatever node. Raises SsganError where this node cannot do the same as the driver."""
    return context.inputs.predict(_scorer(*context[1:]), rows)


@lru_cache(maxsize=1)
def _scorer(description: str, weights: bytes, published: Published, top_k: int, torch: str) -> Scorer:
    """The model, once in each process."""
    if version("torch") != torch:
        raise DataError(
            f"the Ray node {platform.node()} has torch {version('torch')}, but predict was started with {torch}; "
            "install the same packages there"
        )
    return Scorer(Model(json.loads(description), load(weights)), published, top_k)
