"""The progress of the stage on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from ssgan.wording import counted


class ProgressLine:
    """Says every ten seconds how many images a second, and the time that is left.

    Args:
        say: takes a line.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self.begun = self.last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last < 10:
            return
        self.last, speed = now, done / (now - self.begun)
        left = round((total - done) / max(speed, 1e-9))
        self._say(f"features: {done:,}/{counted(total, 'image')}, {speed:,.0f}/s, {left // 60}:{left % 60:02d} left")
