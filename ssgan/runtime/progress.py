"""The progress of a training on the terminal: one updating line on a terminal, one line per interval otherwise."""

from __future__ import annotations

import math
import sys
import time
from typing import TextIO

from ssgan.experiment import Role
from ssgan.training.tick import Tick

LABELS: dict[Role, str] = {"main": "semi-supervised", "twin": "supervised twin"}


class ProgressLine:
    """Prints ticks.

    Args:
        every_seconds: between two lines where there is no terminal.
        stream: where to; its ``isatty`` decides the style.
    """

    def __init__(self, every_seconds: float, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._every = every_seconds
        self._terminal = self._stream.isatty()
        self._last = -math.inf  # not 0: a machine that has just started may show less than `every_seconds`
        self._started: dict[Role, tuple[float, int]] = {}

    def __call__(self, role: Role, tick: Tick) -> None:
        """Show one tick; warnings always, the state when it is due, the end of a role always."""
        for warning in tick.warnings:
            self._print(f"warning ({LABELS[role]}, step {tick.step:,}): {warning}")
        now = time.monotonic()
        started, first = self._started.setdefault(role, (now, tick.step))
        done = tick.step >= tick.steps
        seconds_per_step = (now - started) / max(tick.step - first, 1)
        line = describe(role, tick, seconds_per_step * (tick.steps - tick.step))
        if self._terminal:
            self._stream.write(f"\r\x1b[2K{line}" + ("\n" if done else ""))
            self._stream.flush()
        elif done or now - self._last >= self._every:
            self._last = now
            self._print(line)

    def _print(self, line: str) -> None:
        self._stream.write(("\r\x1b[2K" if self._terminal else "") + line + "\n")
        self._stream.flush()


def describe(role: Role, tick: Tick, seconds_left: float) -> str:
    """One line: step, images/s, share of time waiting for data, val error, time left."""
    val = "-" if tick.val_error_rate is None else f"{tick.val_error_rate:.1%}"
    minutes, seconds = divmod(round(seconds_left), 60)
    return (
        f"{LABELS[role]}: step {tick.step:,}/{tick.steps:,}, {tick.images_per_second:,.0f} images/s, "
        f"{tick.data_wait_share:.1%} waiting for data, val error {val}, {minutes}:{seconds:02d} left"
    )
