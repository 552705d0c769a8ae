"""Is the model better than its twin, or is it chance? Both are judged on the same N test images, so everything is paired."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssgan.errors import DataError
from ssgan.wording import counted

GainVerdict = Literal["gain", "none", "harm", "too_few"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Gain:
    """Twin error minus model error, a fraction (positive: the unlabeled images helped).

    detectable: the smallest difference that these test images could have shown, a fraction. needed: how many test images would
    show the difference that was seen, if it is real; None where none was seen.
    """

    value: float
    low: float
    high: float
    only_main_right: int  # test images that only the model gets right
    only_twin_right: int  # test images that only the twin gets right
    mcnemar_p: float
    detectable: float
    needed: int | None
    verdict: GainVerdict


def wilson(wrong: int, total: int, confidence: float) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927; Agresti & Coull 1998 recommend it for small N), as fractions.

    ``(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`` with z the normal quantile of ``confidence``.

    Raises:
        DataError: no images, or more wrong ones than images.
    """
    if not 0 <= wrong <= total or total == 0:
        raise DataError(f"{wrong} wrong of {counted(total, 'image')} is no proportion; judge at least one image")
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


def score_interval(first_only: int, second_only: int, total: int, confidence: float) -> Interval:
    """Score interval of the difference of two paired proportions, ``(first_only - second_only) / total`` (Tango 1998).

    The differences that the score test does not reject. It has width where the two models agree on every image, and contains 0
    if and only if McNemar's test (without continuity correction) does not reject.

    Raises:
        DataError: no images, or more of them than there are.
    """
    b, c, n = first_only, second_only, total
    if min(b, c) < 0 or b + c > n or n == 0:
        raise DataError(f"{b} and {c} of {counted(n, 'image')} are no paired counts; judge at least one image")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)

    def statistic(delta: float) -> float:
        """Falls from plus to minus infinity."""
        middle = (2 * n - b + c) * delta - b - c
        p21 = (math.sqrt(max(0.0, middle * middle + 8 * n * c * delta * (1 - delta))) - middle) / (4 * n)
        variance = n * (2 * p21 + delta * (1 - delta))
        distance = b - c - n * delta
        return distance / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, distance) if distance else 0.0

    def root(level: float) -> float:
        low, high = -1.0, 1.0
        for _ in range(60):
            delta = (low + high) / 2
            low, high = (delta, high) if statistic(delta) > level else (low, delta)
        return (low + high) / 2

    return root(z), root(-z)


def least_that_shows(other: int, confidence: float) -> int:
    """How many images one model alone has to get right for the exact test to reject, where the other does so on ``other``."""
    found = other + round(NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(2 * other))  # about
    while found > other and mcnemar_exact(found - 1, other) < 1 - confidence:
        found -= 1
    while mcnemar_exact(found, other) >= 1 - confidence:
        found += 1
    return found


def needed_images(first_only: int, second_only: int, total: int, confidence: float) -> int | None:
    """About how many test images would show the shares that were seen; None where they do not differ."""
    if first_only == second_only:
        return None
    z, apart = NormalDist().inv_cdf(0.5 + confidence / 2), abs(first_only - second_only)
    factor = max(z * z * (first_only + second_only) / apart**2, least_that_shows(0, confidence) / apart)
    if mcnemar_exact(first_only, second_only) >= 1 - confidence:
        factor = max(factor, 1.1)  # the exact test is a little stricter
    return math.ceil(factor * total)


def compare(main_right: npt.NDArray[np.bool_], twin_right: npt.NDArray[np.bool_], confidence: float) -> Gain:
    """The gain of a model over its twin from who was right on which image, both (N,).

    The exact test decides. The interval is Tango's; where the exact test, which is the stricter one, does not reject, it
    reaches to 0 at least, so that the two never contradict each other. Without a measurable difference the verdict is
    "too_few" where these images could not have shown it if half of the twin's errors (of which it has some) had gone.

    Raises:
        DataError: different lengths or no images.
    """
    if main_right.shape != twin_right.shape or main_right.ndim != 1:
        raise DataError(
            f"the model was evaluated on {main_right.shape} images, its baseline on {twin_right.shape}; use "
            "one test set for both"
        )
    n = len(main_right)
    first, second = int((main_right & ~twin_right).sum()), int((~main_right & twin_right).sum())
    low, high = score_interval(first, second, n, confidence)
    p, smaller = mcnemar_exact(first, second), min(first, second)
    detectable = least_that_shows(smaller, confidence) - smaller
    if p < 1 - confidence:
        verdict: GainVerdict = "gain" if first > second else "harm"
    else:
        low, high = min(low, 0.0), max(high, 0.0)
        errors = int((~twin_right).sum())
        verdict = "too_few" if errors and 2 * detectable > errors else "none"
    needed = needed_images(first, second, n, confidence)
    return Gain((first - second) / n, low, high, first, second, p, detectable / n, needed, verdict)


def too_few(gain: dict[str, Any], images: int, what: str = "difference") -> str:
    """Why the test images are too few to tell, and how many would do; ``gain`` as in metrics/evaluate.json."""
    least = min(1.0, gain["detectable"])
    text = f"{counted(images, 'test image shows', 'test images show')} no {what} below {100 * least:.1f} points"
    if gain["detectable"] > 1:
        text = f"{counted(images, 'test image shows', 'test images show')} no {what} at all"
    if gain["needed"] is None:
        return f"{text}; label more of what `ssgan next` asks for val and test"
    return f"{text}; about {gain['needed']:,} would show the one seen, if it is real"
