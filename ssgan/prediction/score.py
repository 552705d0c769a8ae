"""Predictions of a model for a batch of images, as rows.

Letters: N images of a batch, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.data.schema import rejected_schema
from ssgan.evaluation.published import Published
from ssgan.evaluation.scores import log_softmax
from ssgan.model import Model

NAMES = pa.schema([("id", pa.string()), ("path", pa.string())])


@dataclass(frozen=True)
class Scorer:
    """A model with what evaluation published of it."""

    model: Model
    published: Published
    top_k: int

    def rows(self, ids: list[str], paths: list[str | None], inputs: npt.NDArray[Any]) -> pa.RecordBatch:
        """Answers for N images (N, C, S, S), or their features (N, D)."""
        logits = self.model.predict_logits(inputs).astype(np.float64)
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


class PartResult(NamedTuple):
    """What became of one part: a row of one of the tables for every file, in the order of the listing."""

    predicted: pa.Table
    rejected: pa.Table


def part_result(scorer: Scorer, predicted: list[pa.RecordBatch], rejected: list[tuple[str, str, str]]) -> PartResult:
    """The tables of one part, from its answers and the (path, reason, detail) of its rejected files."""
    columns = [list(column) for column in zip(*rejected, strict=True)] or [[], [], []]
    return PartResult(
        pa.Table.from_batches(predicted, output_schema(scorer.top_k)), pa.table(columns, schema=rejected_schema())
    )
