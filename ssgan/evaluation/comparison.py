"""Is the model better than its twin, or is it chance? Both are judged on the same N test images, so everything is paired."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssgan.errors import DataError

GainVerdict = Literal["gain", "none", "harm"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Gain:
    """Twin error minus model error, a fraction (positive: the unlabeled images helped)."""

    value: float
    low: float
    high: float
    only_main_right: int  # test images that only the model gets right
    only_twin_right: int  # test images that only the twin gets right
    mcnemar_p: float
    verdict: GainVerdict


def wilson(wrong: int, total: int, confidence: float) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927; Agresti & Coull 1998 recommend it for small N), as fractions.

    ``(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`` with z the normal quantile of ``confidence``.

    Raises:
        DataError: no images, or more wrong ones than images.
    """
    if not 0 <= wrong <= total or total == 0:
        raise DataError(f"{wrong} wrong of {total} images is no proportion; judge at least one image")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = wrong / total
    center = p + z * z / (2 * total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # At 0 and N the formula gives the bound exactly, rounding does not.
    low = 0.0 if wrong == 0 else (center - half) / scale
    high = 1.0 if wrong == total else (center + half) / scale
    return low, high


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value of McNemar's test (McNemar 1947, exact binomial form).

    Of the b + c images on which exactly one of two models is right, each model gets half if they are equally good:
    ``p = min(1, 2 * P[Binomial(b + c, 1/2) <= min(b, c)])``. Whole numbers until one division, so exact for any count.

    Raises:
        DataError: a negative count.
    """
    n, smaller = first_only + second_only, min(first_only, second_only)
    if smaller < 0:
        raise DataError(f"counts must not be negative, got {first_only} and {second_only}")
    term = tail = 1
    for i in range(smaller):
        term = term * (n - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << n))


def p_text(p: float) -> str:
    """0.1249 -> "p = 0.12"; smaller than 0.001 -> "p < 0.001": no test on a few hundred images knows more."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def paired_bootstrap(difference: npt.NDArray[Any], samples: int, confidence: float, seed: int = 0) -> Interval:
    """Percentile interval of the mean of paired differences in {-1, 0, 1} (N,) when test images are drawn again.

    Efron & Tibshirani 1993, chapter 13. Drawing N images with replacement gives a multinomial number of -1, 0 and 1, so the
    counts are drawn directly: the same distribution as drawing indices, at a cost that does not grow with N.

    Raises:
        DataError: no images, or a value that is not -1, 0 or 1.
    """
    if difference.ndim != 1 or not len(difference) or not np.isin(difference, (-1, 0, 1)).all():
        raise DataError(f"differences (shape {difference.shape}) must be one of -1, 0, 1 for at least one image")
    n = len(difference)
    shares = np.array([(difference == v).sum() for v in (-1, 0, 1)]) / n
    counts = np.random.default_rng(seed).multinomial(n, shares, size=samples)
    means = (counts[:, 2] - counts[:, 0]) / n
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def compare(
    main_right: npt.NDArray[np.bool_], twin_right: npt.NDArray[np.bool_], samples: int, confidence: float, seed: int = 0
) -> Gain:
    """The gain of a model over its twin from who was right on which image, both (N,).

    The verdict asks for both witnesses: the interval must exclude 0 *and* the exact test must reject. The bootstrap alone is
    too eager where the models differ on a handful of images (4 against 0 already excludes 0, with p = 0.125).

    Raises:
        DataError: different lengths or no images.
    """
    if main_right.shape != twin_right.shape or main_right.ndim != 1:
        raise DataError(f"the model judged {main_right.shape} images, its twin {twin_right.shape}; judge both on one test set")
    difference = main_right.astype(np.int64) - twin_right.astype(np.int64)
    low, high = paired_bootstrap(difference, samples, confidence, seed)
    first, second = int((difference == 1).sum()), int((difference == -1).sum())
    p = mcnemar_exact(first, second)
    verdict: GainVerdict = "none"
    if p < 1 - confidence and not low <= 0 <= high:
        verdict = "gain" if low > 0 else "harm"
    return Gain((first - second) / len(difference), low, high, first, second, p, verdict)
