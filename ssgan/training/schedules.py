"""Functions of the step that say how a setting changes during a run."""

from __future__ import annotations


def linear_tail(step: int, steps: int, tail: float) -> float:
    """Factor of the learning rate: 1, then linearly to 0 over the last ``tail`` (share in [0, 1]) of ``steps`` steps."""
    start = steps * (1.0 - tail)
    if tail == 0.0 or step < start:
        return 1.0
    return max(0.0, (steps - step) / (steps - start))
