"""How a budget is divided: uncertain images, images of a class that may be unknown, a control group drawn at random, and images
for val and test; before there is a model, typical images in the place of the first three."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ssgan.errors import ConfigError
from ssgan.wording import counted

Slice = Literal["uncertain", "unknown", "control", "held_out", "typical"]
SLICES: tuple[Slice, ...] = ("uncertain", "unknown", "control", "held_out", "typical")
LEAST_CONTROL = 20  # images: with fewer, the interval of an error rate spans more than 40 points


class Shares(NamedTuple):
    """Images of each slice; together the budget."""

    uncertain: int
    unknown: int
    control: int
    held_out: int = 0
    typical: int = 0

    @property
    def budget(self) -> int:
        return sum(self)


def divide(budget: int, control: float, unknown: float, held_out: float, reserved: int) -> Shares:
    """Divide a budget by shares in [0, 1); the rest goes to the uncertain images.

    Images for val and test come first, no more than ``reserved``; the other shares are of what remains. A control group has at
    least LEAST_CONTROL images, as long as these are no more than half of that; share 0: none.

    Raises:
        ConfigError: nothing is left for the uncertain images.
    """
    held = min(round(budget * held_out), reserved)
    pool = budget - held
    random = math.ceil(pool * control)
    if control > 0:
        random = max(random, min(LEAST_CONTROL, pool // 2))
    unknown_count = round(pool * unknown)
    if pool - random - unknown_count < 1:
        raise ConfigError(
            f"a budget of {budget} leaves nothing to choose beside {counted(random, 'random image')}, {unknown_count} of "
            "a class that may "
            f"be unknown and {held} for val and test; raise --budget, or lower --control, --unknown and --held-out"
        )
    return Shares(pool - random - unknown_count, unknown_count, random, held)


def divide_without_model(budget: int, held_out: float, reserved: int) -> Shares:
    """Typical images, and a share for val and test, no more than ``reserved``. Raises ConfigError where none is left."""
    held = min(round(budget * held_out), reserved)
    if budget - held < 1:
        raise ConfigError(
            f"a budget of {budget} leaves nothing beside {counted(held, 'image')} for val and test; raise --budget"
        )
    return Shares(0, 0, 0, held, budget - held)


def interleaved(sizes: Iterable[int]) -> list[tuple[int, int]]:
    """(slice, place within it) in an order in which every beginning holds about the same mix of slices.

    A team that labels half of the queue has half of the control group then.
    """
    spots = [((place + 0.5) / size, number, place) for number, size in enumerate(sizes) for place in range(size)]
    return [(number, place) for _, number, place in sorted(spots)]
