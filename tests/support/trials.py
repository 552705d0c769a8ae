"""Trials as a search records them, for tests that run none."""

from __future__ import annotations

from typing import Any

from ssgan.tuning.trials import State, Trial

RATE = "method.options.learning_rate"


def trial(number: int, *errors: float, state: State = "finished", every: int = 10, **point: Any) -> Trial:
    """A trial that looked at val every 10 steps."""
    validations = tuple((every * i, error) for i, error in enumerate(errors, 1))
    reason = "step 3: the loss is not finite" if state == "failed" else ""
    return Trial(number, f"run-{number:03}", point or {RATE: 0.001 * number}, state, validations, 2.0 * number, reason)
