"""What an exported file computes against what the model computes here. Letters: N images, C S as ever, K classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.errors import CheckpointError
from ssgan.evaluation.published import Published
from ssgan.evaluation.scores import Floats, log_softmax
from ssgan.exporting.formats import Predict
from ssgan.model import Model

BATCHES = (1, 7)  # images; a graph that took the size of a batch for a constant fails at one of them
TOLERANCE = 1e-5  # of a probability: float32, summed in another order


class Difference(NamedTuple):
    """Largest difference of a probability over all images that were compared."""

    largest: float
    images: int


def check(predict: Predict, model: Model, published: Published, images: npt.NDArray[np.uint8]) -> Difference:
    """Compare a file that was read back with the model, on (N, C, S, S) images in batches of 1 and of 7.

    Raises:
        CheckpointError: other shapes, a probability that differs by more than TOLERANCE, another label or decision where
            that is no matter of rounding.
    """
    expected = np.exp(log_softmax(model.predict_logits(images).astype(np.float64), published.temperature))
    largest = 0.0
    for size in BATCHES:
        for at in range(0, len(images), size):
            rows = slice(at, at + size)
            largest = max(largest, _compare(predict, images[rows], expected[rows], published.threshold))
    return Difference(largest, len(images))


def _compare(predict: Predict, images: npt.NDArray[np.uint8], expected: Floats, threshold: float | None) -> float:
    probabilities, label, abstain = predict(images)
    n, k = expected.shape
    shapes = [value.shape for value in (probabilities, label, abstain)]
    if shapes != [(n, k), (n,), (n,)]:
        raise CheckpointError(f"the exported file gives shapes {shapes} for {n} images of {k} classes; report this as a bug")
    top = expected.max(axis=1)
    worst = float(np.abs(probabilities - expected).max())
    left = np.zeros(n, bool) if threshold is None else top <= threshold
    labels = int((top - expected[np.arange(n), label] > TOLERANCE).sum())
    decisions = int(((abstain != left) & (np.abs(top - (threshold or 0.0)) > TOLERANCE)).sum())
    if not worst <= TOLERANCE or labels or decisions:
        raise CheckpointError(
            f"the exported file does not compute what the model does, so it was deleted: in a batch of {n}, probabilities "
            f"differ by up to {worst:.2g} (allowed: {TOLERANCE:g}), {labels} labels and {decisions} decisions to abstain "
            "differ; try another format, and report this as a bug"
        )
    return worst
