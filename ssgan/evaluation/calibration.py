"""Do probabilities mean what they say? Temperature scaling and reliability. Letters: N images, K classes, M bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.errors import DataError
from ssgan.evaluation.scores import Floats, Ints, checked, log_softmax
from ssgan.wording import counted

MIN_IMAGES = 20  # with fewer val images the estimate means next to nothing
LOWEST, HIGHEST = 0.05, 20.0  # an optimum outside is no optimum: val then does not determine the temperature


@dataclass(frozen=True)
class Temperature:
    """The value that all logits are divided by, and a sentence on where it comes from."""

    value: float
    note: str
    fitted: bool


@dataclass(frozen=True)
class Reliability:
    """M equal-width bins over the probability of the predicted class.

    ``edges`` (M + 1,); ``count`` (M,) images; ``confidence`` (M,) sum of probabilities; ``correct`` (M,) right answers.
    """

    edges: Floats
    count: Ints
    confidence: Floats
    correct: Ints

    @property
    def ece(self) -> float:
        """Expected calibration error, ``sum_m |n_m/N| * |acc_m - conf_m|`` (Naeini et al. 2015; Guo et al. 2017, eq. 3)."""
        total = int(self.count.sum())
        # n_m/N * |correct_m/n_m - confidence_m/n_m| is |correct_m - confidence_m| / N: no division by an empty bin.
        return float(np.abs(self.correct - self.confidence).sum()) / total if total else 0.0


def fit_temperature(logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Temperature:
    """The temperature that minimizes the negative log-likelihood (Guo et al. 2017, "On Calibration of Modern Neural
    Networks", section 4.2), or 1.0 with the reason where val cannot tell.

    In beta = 1/T the mean NLL is convex (log-sum-exp of linear functions minus a linear one), so its derivative
    ``mean(E_p[z] - z_y)`` changes sign at most once and bisection finds it: no starting point, no step size.

    Raises:
        DataError: shapes that do not belong together. CheckpointError: non-finite logits.
    """
    logits, labels = checked(logits, labels)
    if len(labels) < MIN_IMAGES:
        return Temperature(
            1.0, f"not fitted: validation holds {counted(len(labels), 'image')}, at least {MIN_IMAGES} are needed", False
        )
    low, high = 1 / HIGHEST, 1 / LOWEST
    if _slope(logits, labels, low) >= 0:
        return Temperature(
            1.0, "not fitted: on the validation images the model is no better than guessing, at any temperature", False
        )
    if _slope(logits, labels, high) <= 0:
        return Temperature(
            1.0, "not fitted: validation holds no error to learn from, so every lower temperature looks better", False
        )
    for _ in range(60):  # halves log(beta) each time: far below float precision
        middle = float(np.sqrt(low * high))
        if _slope(logits, labels, middle) < 0:
            low = middle
        else:
            high = middle
    return Temperature(1 / float(np.sqrt(low * high)), f"fitted on {counted(len(labels), 'validation image')}", True)


def _slope(logits: Floats, labels: Ints, beta: float) -> float:
    """Derivative of the mean NLL with respect to beta = 1/T."""
    # Subtracting the true class's logit first keeps the difference exact where the model is nearly certain.
    gaps = logits - logits[np.arange(len(labels)), labels][:, None]
    return float((np.exp(log_softmax(logits, 1 / beta)) * gaps).sum(axis=1).mean())


def reliability(confidence: npt.NDArray[Any], correct: npt.NDArray[Any], bins: int) -> Reliability:
    """Sums over M = ``bins`` bins ``((m-1)/M, m/M]`` of the predicted class's probability (N,) and of being right (N,).

    Raises:
        DataError: different lengths, fewer than 1 bin, or a probability outside 0..1.
    """
    if confidence.shape != correct.shape or confidence.ndim != 1 or bins < 1:
        raise DataError(
            f"confidence has shape {confidence.shape}, correct {correct.shape}, `evaluate.ece_bins` is {bins}; "
            "pass one of each per image and at least 1 bin"
        )
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-9):
        raise DataError(f"a confidence lies outside 0..1 ({confidence.min()}..{confidence.max()}); pass probabilities")
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return Reliability(
        edges=np.linspace(0.0, 1.0, bins + 1),
        count=np.bincount(index, minlength=bins).astype(np.int64),
        confidence=np.bincount(index, weights=confidence.astype(np.float64), minlength=bins).astype(np.float64),
        correct=np.bincount(index, weights=correct.astype(np.float64), minlength=bins).astype(np.int64),
    )
