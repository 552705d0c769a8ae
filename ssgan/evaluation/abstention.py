"""Which images the model should leave to a person. Letters: N images.

The threshold comes from val alone. It is one of a few candidates, so each of them gets a share of the error probability:
picking the best of many on few images is how a guarantee is broken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.errors import DataError
from ssgan.evaluation.comparison import wilson
from ssgan.evaluation.scores import Floats
from ssgan.wording import counted

STEPS = 20  # candidate coverages: 5 %, 10 %, ... 100 % of val
CURVE_POINTS = 200  # of a curve, at most


@dataclass(frozen=True)
class Threshold:
    """Answer where the calibrated probability is *above* ``value``; None: no threshold gives the guarantee.

    ``answered`` and ``wrong`` are counts on val, ``bound`` is the guaranteed upper bound of the risk.
    """

    value: float | None
    note: str
    answered: int
    wrong: int
    bound: float | None


def choose(probability: Floats, right: npt.NDArray[np.bool_], max_risk: float, confidence: float) -> Threshold:
    """The threshold of largest coverage whose risk is at most ``max_risk``, with probability ``confidence`` over draws of val.

    Selection with guaranteed risk (Geifman & El-Yaniv 2017, "Selective classification for deep neural networks", section 3),
    with thresholds that are fixed before the val labels are used, in place of its binary search. For "answer the k most
    confident of N" the threshold is the (k+1)-th largest probability; given it, the m images above it are independent draws of
    answered images, so their wrong answers are binomial and the bound of Clopper & Pearson (1934) is exact. The L coverages
    that can succeed at all (which depends on N alone) share the error probability: each bound holds with
    1 - (1 - confidence)/L (Bonferroni).

    Args:
        probability: (N,) calibrated, of the predicted class, on val.
        right: (N,) whether the prediction was right.

    Raises:
        DataError: different lengths.
    """
    if probability.shape != right.shape or probability.ndim != 1:
        raise DataError(f"{probability.shape} probabilities and {right.shape} answers; pass one of each per val image")
    alpha, n = 1 - confidence, len(right)
    order = np.argsort(-probability, kind="stable")
    coverages = [k for k in _coverages(n) if upper_bound(0, k, alpha / STEPS) <= max_risk]
    if not coverages:
        return _none(
            f"validation holds {counted(n, 'image')}, at least {needed(max_risk, confidence)} are needed to guarantee "
            f"{max_risk:g}"
        )
    for k in reversed(coverages):
        value = float(probability[order[k]]) if k < n else 0.0
        above = probability > value
        answered, wrong = int(above.sum()), int((~right[above]).sum())
        bound = upper_bound(wrong, answered, alpha / len(coverages))
        if bound <= max_risk:
            return Threshold(value, f"chosen on {counted(n, 'validation image')}", answered, wrong, bound)
    return _none(
        f"none of {counted(len(coverages), 'threshold')} keeps the risk below {max_risk:g} on {counted(n, 'validation image')}"
    )


def _coverages(n: int) -> list[int]:
    return sorted({math.ceil(n * step / STEPS) for step in range(1, STEPS + 1)} - {0})


def _none(why: str) -> Threshold:
    return Threshold(None, f"no threshold: {why}; label more validation images, or accept a larger risk", 0, 0, None)


def upper_bound(wrong: int, total: int, alpha: float) -> float:
    """One-sided upper bound of a proportion that fails with probability ``alpha`` at most (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv  # takes a while, and only a promise (evaluate.max_risk) needs it

    return 1.0 if wrong >= total else float(betaincinv(wrong + 1, total - wrong, 1 - alpha))


def needed(max_risk: float, confidence: float) -> int:
    """Fewest val images, all answered right, from which ``max_risk`` can be guaranteed."""
    return math.ceil(math.log((1 - confidence) / STEPS) / math.log1p(-max_risk))


def measure(threshold: float, probability: Floats, right: npt.NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    """The guarantee checked on test (N,): coverage and risk, with their Wilson intervals; None where none is answered."""
    above = probability > threshold
    answered, wrong = int(above.sum()), int((~right[above]).sum())
    cover = wilson(answered, len(right), confidence)
    risk = (wrong / answered, *wilson(wrong, answered, confidence)) if answered else (None, None, None)
    keys = ("coverage", "coverage_low", "coverage_high", "error_rate", "error_rate_low", "error_rate_high")
    return {"answered": answered, "wrong": wrong, **dict(zip(keys, (answered / len(right), *cover, *risk), strict=True))}


def curve(probability: Floats, right: npt.NDArray[np.bool_]) -> list[tuple[float, float, float]]:
    """(coverage, error among the answered, probability of the last answered), by falling probability (El-Yaniv & Wiener 2010).

    At most CURVE_POINTS rows, evenly spaced in coverage; images of equal probability are answered together or not at all.
    """
    order = np.argsort(-probability, kind="stable")
    confidence, wrong = probability[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)) if len(confidence) else np.zeros(0, np.int64)
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), CURVE_POINTS)).astype(np.int64))] if len(ends) else ends
    return [((i + 1) / len(confidence), float(wrong[i]) / (i + 1), float(confidence[i])) for i in kept]
