"""A sign of life of a training. Without torch: what only passes it on starts in half the time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """What the progress line shows."""

    step: int
    steps: int
    images_per_second: float
    data_wait_share: float
    val_error_rate: float | None
    warnings: tuple[str, ...] = ()
