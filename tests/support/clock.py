"""What a failure costs, as the tests see it: printed at their end, for the table in docs/cluster.md; never asserted."""

from __future__ import annotations

import time

LINES: list[str] = []


class Clock:
    """Starts when the fault is made."""

    def __init__(self, fault: str) -> None:
        self.fault, self.begin = fault, time.monotonic()

    def note(self, event: str) -> None:
        """Remember how long after the fault something was seen."""
        LINES.append(f"{self.fault}: {event} after {time.monotonic() - self.begin:.0f} s")
