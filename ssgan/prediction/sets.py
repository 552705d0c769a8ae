"""From a model and the val and test sets to its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy.typing as npt
import pyarrow as pa

from ssgan.config import EvaluateConfig
from ssgan.data import schema
from ssgan.evaluation.judge import ModelEvaluation, judge

Array = npt.NDArray[Any]


class Classifier(Protocol):
    """What is judged (``ssgan.model.Model``)."""

    @property
    def classes(self) -> list[str]: ...

    def predict_logits(self, images: Array) -> Array: ...


def judge_sets(
    model: Classifier, inputs: Callable[[Sequence[str], Array], Array], val: pa.Table, test: pa.Table, config: EvaluateConfig
) -> ModelEvaluation:
    """Judge a model on a test set; the temperature and the threshold come from val only.

    Args:
        inputs: from ids and pixels to what the model takes.
        val, test: with columns id, label and pixels.
    """

    def logits(table: pa.Table) -> Array:
        spec = schema.spec_of(schema.read_metadata(table.schema, "a set"))
        return model.predict_logits(inputs(table["id"].to_pylist(), schema.pixels_to_numpy(table["pixels"], spec)))

    labels, val_labels = (table["label"].to_numpy() for table in (test, val))
    return judge(logits(test), labels, logits(val), val_labels, model.classes, config)
