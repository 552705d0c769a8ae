"""What an exported file computes against what the model computes here.

Letters: N images, C channels, S image_size, H, W another size, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ssgan.data.decode import from_pixels
from ssgan.errors import CheckpointError
from ssgan.evaluation.published import Published
from ssgan.evaluation.scores import Floats, log_softmax
from ssgan.exporting.formats import Predict
from ssgan.model import Model
from ssgan.wording import counted

BATCHES = (1, 7)  # images; a graph that took the size of a batch for a constant fails at one of them
TOLERANCE = 1e-5  # of a probability: float32, summed in another order
RESIZED_TOLERANCE = 0.05  # of a probability, where pixels differ by a gray level because the graph resizes and not OpenCV
RESIZED = 8  # images of other sizes


class Difference(NamedTuple):
    """Largest difference of a probability over all images that were compared: as they are stored, and of other sizes."""

    largest: float
    images: int
    resized: float


def check(predict: Predict, model: Model, published: Published, images: npt.NDArray[np.uint8]) -> Difference:
    """Compare a file that was read back with the model, on (N, C, S, S) images in batches of 1 and of 7, then on some of them
    in other sizes.

    Raises:
        CheckpointError: other shapes, a probability that differs by more than TOLERANCE (RESIZED_TOLERANCE), another label or
            decision where that is no matter of rounding.
    """
    expected = _probabilities(model, published, images)
    rgb = _as_rgb(images)
    largest, resized = 0.0, 0.0
    for size in BATCHES:
        for at in range(0, len(images), size):
            rows = slice(at, at + size)
            largest = max(largest, _compare(predict, rgb[rows], expected[rows], published.threshold, TOLERANCE))
    for image, (height, width) in zip(rgb[:RESIZED], _sizes(model.image.image_size), strict=False):
        given = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        expected = _probabilities(model, published, from_pixels(given, model.image)[None])
        resized = max(resized, _compare(predict, given[None], expected, published.threshold, RESIZED_TOLERANCE))
    return Difference(largest, len(images), resized)


def _probabilities(model: Model, published: Published, images: npt.NDArray[np.uint8]) -> Floats:
    return np.exp(log_softmax(model.predict_logits(images).astype(np.float64), published.temperature))


def _as_rgb(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N, C, S, S) -> (N, S, S, 3), from which the graph gets back the same."""
    n, _, height, width = images.shape
    return np.array(np.broadcast_to(images, (n, 3, height, width)).transpose(0, 2, 3, 1), order="C")


def _sizes(side: int) -> Iterator[tuple[int, int]]:
    """(H, W): larger, smaller, and one of each, wide and high in turn."""
    for factor in (2.0, 0.6, 3.7, 1.3):
        longer, shorter = round(factor * side) + 3, max(1, round(0.7 * factor * side))
        yield from ((longer, shorter), (shorter, longer))


def _compare(
    predict: Predict, images: npt.NDArray[np.uint8], expected: Floats, threshold: float | None, tolerance: float
) -> float:
    probabilities, label, abstain = predict(images)
    n, k = expected.shape
    shapes = [value.shape for value in (probabilities, label, abstain)]
    if shapes != [(n, k), (n,), (n,)]:
        raise CheckpointError(
            f"the exported file gives shapes {shapes} for {counted(n, 'image')} of {counted(k, 'class')}; report this as a bug"
        )
    top = expected.max(axis=1)
    worst = float(np.abs(probabilities - expected).max())
    left = np.zeros(n, bool) if threshold is None else top <= threshold
    labels = int((top - expected[np.arange(n), label] > tolerance).sum())
    decisions = int(((abstain != left) & (np.abs(top - (threshold or 0.0)) > tolerance)).sum())
    if not worst <= tolerance or labels or decisions:
        size = f"{n} of {images.shape[1]} x {images.shape[2]} pixels"
        raise CheckpointError(
            f"the exported file does not compute what the model does, so it was deleted: in a batch of {size}, probabilities "
            f"differ by up to {worst:.2g} (allowed: {tolerance:g}), {counted(labels, 'label')} and {decisions} decisions "
            "to abstain differ; try another format, and report this as a bug"
        )
    return worst
