"""Seeds that are folded out of numbers and words, and the generators that draw from them.

A step that is recorded once and replayed many times (``training/graphs.py``) draws from the same generators each time, and each
has to be seeded anew. So the seed of such a step remembers what was folded into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StepSeed(int):
    """A seed that follows from ``Batch.seed``: an int like any other, which can be had for another step too.

    Attributes:
        parts: what was folded into it, at least one of them a StepSeed; empty: it is that of the batch.
    """

    parts: tuple[int | str, ...] = ()

    def of(self, seed: int) -> int:
        """What it is in the step whose ``Batch.seed`` is ``seed``."""
        return fold(*(part.of(seed) if isinstance(part, StepSeed) else part for part in self.parts)) if self.parts else seed


def fold(*numbers: int | str) -> int:
    """One 63-bit seed out of several numbers and words; the same in every process and on every machine."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    seed = int.from_bytes(digest[:8], "little") >> 1
    if not any(isinstance(number, StepSeed) for number in numbers):
        return seed
    of_step = StepSeed(seed)
    of_step.parts = numbers
    return of_step


class Draws:
    """The generators of a step, in the order in which it draws, and the seed of each."""

    def __init__(self) -> None:
        self.seeds: list[StepSeed] = []
        self.generators: list[torch.Generator] = []

    def seed(self, seed: int) -> None:
        """Seed all generators for the step whose ``Batch.seed`` this is."""
        for of_step, generator in zip(self.seeds, self.generators, strict=True):
            generator.manual_seed(of_step.of(seed))


_draws: tuple[Draws, Iterator[torch.Generator] | None] | None = None


@contextmanager
def noting(draws: Draws) -> Iterator[None]:
    """Inside, every draw is noted in ``draws``, which is empty before."""
    with _drawing(draws, None):
        yield


@contextmanager
def drawing_from(draws: Draws) -> Iterator[None]:
    """Inside, draws take the generators of ``draws`` in their order, as they are seeded."""
    with _drawing(draws, iter(draws.generators)):
        yield


@contextmanager
def _drawing(draws: Draws, given: Iterator[torch.Generator] | None) -> Iterator[None]:
    global _draws
    _draws = (draws, given)
    try:
        yield
    finally:
        _draws = None


def generator_of(seed: int, device: torch.device) -> torch.Generator:
    """A generator that draws from ``seed``."""
    if _draws is not None and _draws[1] is not None:
        return next(_draws[1])
    generator = torch.Generator(device).manual_seed(seed)
    if _draws is not None:
        assert isinstance(seed, StepSeed), "a step draws from a seed that does not follow from Batch.seed"
        _draws[0].seeds.append(seed)
        _draws[0].generators.append(generator)
    return generator
