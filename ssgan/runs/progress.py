"""The progress of a launch on the terminal: a bar on a terminal, one line per interval otherwise.

A launch trains several models, one after the other. The time left is that of all of them: those that are still to come are
counted as if a step of theirs took as long as one of the present model, which sees more images in it. So it is said as a bound.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ssgan.config import Config
from ssgan.training.context import ProgressEvent, Role
from ssgan.training.roles import has_steps, roles

BAR = 16  # characters
LABELS: dict[Role, str] = {"main": "semi-supervised model", "twin": "supervised baseline", "auto": "automatic choice"}


class ProgressLine:
    """Shows progress events.

    Args:
        every_seconds: between two lines where there is no terminal.
        order: the roles of the run that are trained in steps, in their order.
        checkpoint_every: steps between two checkpoints.
        stream: where to; its ``isatty`` decides the style.
    """

    def __init__(
        self, every_seconds: float, order: Sequence[Role], checkpoint_every: int, stream: TextIO | None = None
    ) -> None:
        self._order, self._checkpoint_every = list(order), checkpoint_every
        self._stream = stream or sys.stdout
        self._every = every_seconds
        self._last = -math.inf  # not 0: a machine that has just started may show less than `every_seconds`
        self._started: dict[Role, tuple[float, int]] = {}
        self._now: tuple[Role, ProgressEvent] | None = None
        self._bar = _Bar(self._stream) if self._stream.isatty() else None

    def __call__(self, role: Role, event: ProgressEvent) -> None:
        """Show one; warnings always, the state when it is due, the end of a role always."""
        for warning in event.warnings:
            self._print(f"warning ({LABELS[role]}, step {event.step:,}): {warning}")
        now = time.monotonic()
        if role not in self._started and 1 < event.step < event.steps:
            self._print(f"{LABELS[role]}: resumes at step {event.step:,} of {event.steps:,}")
        started, first = self._started.setdefault(role, (now, event.step))
        self._now = role, event
        each = (now - started) / (event.step - first) if event.step > first else None
        parts = describe(event, each, self._after(role))
        if self._bar:
            self._bar.show(LABELS[role], event, parts)
        elif event.step >= event.steps or now - self._last >= self._every:
            self._last = now
            self._print(f"{self._title(role)}: {', '.join(parts)}")

    def close(self) -> None:
        """Leave the terminal as it was, the last state on it."""
        if self._bar:
            self._bar.close()

    def stopped(self) -> str:
        """Where it was interrupted, and where it goes on; empty where nothing has begun, or all is done."""
        if self._now is None:
            return ""
        role, event = self._now
        if event.step >= event.steps:
            return ""
        kept = event.step // self._checkpoint_every * self._checkpoint_every
        on = f"resumes at step {kept:,}" if kept else "starts over: there is no checkpoint of it yet"
        return f"{LABELS[role]}: stopped at step {event.step:,} of {event.steps:,}; it {on}"

    def _title(self, role: Role) -> str:
        several = len(self._order) > 1 and role in self._order
        return LABELS[role] + (f" ({self._order.index(role) + 1} of {len(self._order)})" if several else "")

    def _after(self, role: Role) -> int:
        """How many models are trained after this one."""
        return len(self._order) - self._order.index(role) - 1 if role in self._order else 0

    def _print(self, line: str) -> None:
        if self._bar:
            self._bar.say(line)
            return
        self._stream.write(line + "\n")
        self._stream.flush()


class _Bar:
    """A bar for each model; texts stand above it."""

    def __init__(self, stream: TextIO) -> None:
        columns = TextColumn("{task.description}"), BarColumn(bar_width=BAR), TextColumn("{task.fields[line]}")
        self._progress = Progress(*columns, console=Console(file=stream, highlight=False, markup=False))
        self._tasks: dict[str, TaskID] = {}

    def show(self, title: str, event: ProgressEvent, parts: Sequence[str]) -> None:
        """``parts``: what matters most last; a narrow terminal does without the first ones."""
        self._progress.start()
        room = self._progress.console.width - max(map(len, LABELS.values())) - BAR - 2
        shown = [part for i, part in enumerate(parts) if len(", ".join(parts[i:])) <= room]
        line = ", ".join(reversed(shown or parts[-1:]))
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, total=event.steps, line=line)
        self._progress.update(self._tasks[title], completed=event.step, line=line)

    def say(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()


@contextmanager
def progress_of(config: Config) -> Iterator[ProgressLine]:
    """The progress of a launch. Whoever interrupts it is told where it goes on."""
    steps = [role for role in roles(config) if has_steps(config, role)]
    line = ProgressLine(config.train.log_every_seconds, steps, config.train.checkpoint_every)
    try:
        yield line
    except KeyboardInterrupt:
        line.close()
        if stopped := line.stopped():
            sys.stderr.write(f"\n{stopped}\n")
        raise
    finally:
        line.close()


def describe(event: ProgressEvent, seconds_each: float | None, after: int = 0) -> list[str]:
    """Images/s, share of time waiting for data, error on validation, step, time left of the whole launch.

    Args:
        seconds_each: of a step; None: not known yet.
        after: models that are trained after this one, with as many steps each.
    """
    parts = [f"{event.images_per_second:,.0f} images/s", f"{event.data_wait_share:.1%} waiting for data"]
    parts += [] if event.val_error_rate is None else [f"validation error {event.val_error_rate:.1%}"]
    parts.append(f"step {event.step:,}/{event.steps:,}")
    if seconds_each is not None:
        left = in_words(seconds_each * (event.steps - event.step + after * event.steps))
        parts.append(f"at most {left} left in all" if after else f"{left} left")
    return parts


def in_words(seconds: float) -> str:
    """75 -> "1:15"; 4000 -> "1 h 7 min"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
