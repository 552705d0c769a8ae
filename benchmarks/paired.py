"""Intervals of differences that are paired over label draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats


def half_width(differences: npt.NDArray[np.float64]) -> float:
    """Half of the 95 % interval of the mean (Student's t); nan for a single difference."""
    n = len(differences)
    return float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5) if n > 1 else float("nan")
