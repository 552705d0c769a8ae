"""The progress of a training on the terminal: one updating line on a terminal, one line per interval otherwise."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from ssgan.config import Config, DigitsSource, FolderSource, MethodConfig, S3Source, Source
from ssgan.training.context import ProgressEvent, Role
from ssgan.training.roles import has_steps, role_method, roles

LABELS: dict[Role, str] = {"main": "semi-supervised model", "twin": "supervised baseline", "auto": "automatic choice"}


class ProgressLine:
    """Prints progress events.

    Args:
        every_seconds: between two lines where there is no terminal.
        order: the roles of the run, in the order in which they are trained.
        stream: where to; its ``isatty`` decides the style.
    """

    def __init__(self, every_seconds: float, order: Sequence[Role] = (), stream: TextIO | None = None) -> None:
        self._order = list(order)
        self._stream = stream or sys.stdout
        self._every = every_seconds
        self._terminal = self._stream.isatty()
        self._last = -math.inf  # not 0: a machine that has just started may show less than `every_seconds`
        self._started: dict[Role, tuple[float, int]] = {}

    def __call__(self, role: Role, event: ProgressEvent) -> None:
        """Show one; warnings always, the state when it is due, the end of a role always."""
        for warning in event.warnings:
            self._print(f"warning ({LABELS[role]}, step {event.step:,}): {warning}")
        now = time.monotonic()
        done = event.step >= event.steps
        if role not in self._started and 1 < event.step < event.steps:
            self._print(f"{LABELS[role]}: goes on at step {event.step:,} of {event.steps:,}")
        started, first = self._started.setdefault(role, (now, event.step))
        left = (now - started) / (event.step - first) * (event.steps - event.step) if event.step > first else None
        line = describe(role, event, left, self._after(role))
        if self._terminal:
            self._stream.write(f"\r\x1b[2K{line}" + ("\n" if done else ""))
            self._stream.flush()
        elif done or now - self._last >= self._every:
            self._last = now
            self._print(line)

    def _after(self, role: Role) -> str:
        """What is trained after this role."""
        rest = self._order[self._order.index(role) + 1 :] if role in self._order else []
        return " and ".join(LABELS[other] for other in rest)

    def _print(self, line: str) -> None:
        self._stream.write(("\r\x1b[2K" if self._terminal else "") + line + "\n")
        self._stream.flush()


def describe(role: Role, event: ProgressEvent, seconds_left: float | None, after: str = "") -> str:
    """One line: step, images/s, share of time waiting for data, error on val, time left (None: not known yet), what follows."""
    parts = [f"step {event.step:,}/{event.steps:,}", f"{event.images_per_second:,.0f} images/s"]
    parts.append(f"{event.data_wait_share:.1%} waiting for data")
    parts += [] if event.val_error_rate is None else [f"validation error {event.val_error_rate:.1%}"]
    if seconds_left is not None:
        minutes, seconds = divmod(round(seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left" + (f", then the {after}" if after else ""))
    return f"{LABELS[role]}: {', '.join(parts)}"


def overview(config: Config) -> str:
    """Data, roles with their resolved hyperparameters, and how they run. The manifest of the run holds all of it.

    Raises:
        ConfigError: an unknown method, or options that it does not have.
    """
    data, t = config.data, config.train
    shape = f"{data.image_size}x{data.image_size} pixels, channels {data.channels}, resize {data.resize}"
    lines = [
        f"images: {describe_source(data.source)}; {shape}",
        f"training: {t.steps:,} steps, seed {t.seed}, {t.precision}, {t.backend}, workers {t.num_workers}, device {t.device}",
        f"networks: {config.net.family}, width {config.net.width:g}, latent_dim {config.net.latent_dim}",
    ]
    if config.features.backbone:
        lines.append(f"features: {config.features.backbone}, {config.features.dimensions} principal components")
    for role in roles(config):
        name, resolved = role_method(config, role)
        values = resolved.model_dump(exclude=None if has_steps(config, role) else set(MethodConfig.model_fields))
        shown = ", ".join(f"{k} {v}" for k, v in values.items())
        lines.append(f"{LABELS[role]}: {name} ({shown or 'fitted at once'})")
    return "\n".join([*lines, f"checkpoints: {config.storage.url}"])


def describe_source(source: Source) -> str:
    """Where raw images come from, in one phrase."""
    if isinstance(source, DigitsSource):
        return "embedded handwritten digits"
    if isinstance(source, FolderSource):
        return f"folder {source.path}"
    return source.url if isinstance(source, S3Source) else f"{source.dataset} of torchvision"
