"""From a model and the val and test sets to its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy.typing as npt
import pyarrow as pa

from ssgan.config import EvaluateConfig
from ssgan.data import schema
from ssgan.data.files import SplitFiles
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
        spec = schema.spec_of(schema.read_metadata(table.schema.metadata, "a set"))
        return model.predict_logits(inputs(table["id"].to_pylist(), schema.pixels_to_numpy(table["pixels"], spec)))

    labels, val_labels = (table["label"].to_numpy() for table in (test, val))
    return judge(logits(test), labels, logits(val), val_labels, model.classes, config)


def labeled_images(files: SplitFiles, name: str) -> pa.Table:
    """A labeled set with columns id (hex), label and pixels, in the order of its file."""
    table = files.read(name, ["id", "label"])
    pixels = schema.numpy_to_pixels(files.store.pixels(files.rows(name)))
    return table.append_column(pa.field("pixels", pixels.type, nullable=False), pixels)
