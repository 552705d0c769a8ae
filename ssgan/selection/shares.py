"""How a budget is divided: uncertain images, images of a class that may be unknown, and a control group drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ssgan.errors import ConfigError

Slice = Literal["uncertain", "unknown", "control"]
SLICES: tuple[Slice, ...] = ("uncertain", "unknown", "control")
LEAST_CONTROL = 20  # images: with fewer, the interval of an error rate spans more than 40 points


class Shares(NamedTuple):
    """Images of each slice; together the budget."""

    uncertain: int
    unknown: int
    control: int

    @property
    def budget(self) -> int:
        return sum(self)


def divide(budget: int, control: float, unknown: float) -> Shares:
    """Divide a budget by two shares in [0, 1); the rest goes to the uncertain images.

    A control group has at least LEAST_CONTROL images, as long as these are no more than half of the budget; share 0: none.

    Raises:
        ConfigError: nothing is left for the uncertain images.
    """
    random = math.ceil(budget * control)
    if control > 0:
        random = max(random, min(LEAST_CONTROL, budget // 2))
    odd = round(budget * unknown)
    if budget - random - odd < 1:
        raise ConfigError(
            f"a budget of {budget} leaves nothing to choose beside {random} random images and {odd} of a class that may be "
            "unknown; raise --budget, or lower --control and --unknown"
        )
    return Shares(budget - random - odd, odd, random)


def interleaved(sizes: Iterable[int]) -> list[tuple[int, int]]:
    """(slice, place within it) in an order in which every beginning holds about the same mix of slices.

    A team that labels half of the queue has half of the control group then.
    """
    spots = [((place + 0.5) / size, number, place) for number, size in enumerate(sizes) for place in range(size)]
    return [(number, place) for _, number, place in sorted(spots)]
