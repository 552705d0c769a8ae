"""Seeds, and the generators of a step that is recorded."""

from __future__ import annotations

import pytest
import torch

from ssgan.core.distributed import global_rand
from ssgan.core.seeds import Draws, StepSeed, drawing_from, fold, noting

CPU = torch.device("cpu")


def test_fold_is_stable_and_separates() -> None:
    assert fold(1, "a", 2) == 495640175183804002, "resuming on another machine needs the same seeds"
    seeds = {fold(a, b) for a in range(30) for b in ("x", "y")}
    assert len(seeds) == 60
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_seed_of_a_step_is_known_for_every_other_one() -> None:
    seed = fold(fold(StepSeed(5), "a"), 2)
    assert seed == fold(fold(5, "a"), 2)
    assert isinstance(seed, StepSeed)
    assert seed.of(6) == fold(fold(6, "a"), 2)
    assert type(fold(5, "a")) is int


def draw(seed: int) -> torch.Tensor:
    return torch.cat([global_rand(4, 2, fold(seed, word), CPU) for word in ("a", "b")])


def test_noted_draws_can_be_drawn_for_another_step() -> None:
    draws = Draws()
    with noting(draws):
        first = draw(StepSeed(5))
    assert torch.equal(first, draw(5))
    draws.seed(6)
    with drawing_from(draws):
        again = draw(StepSeed(0))
    assert torch.equal(again, draw(6))
    with noting(Draws()), pytest.raises(AssertionError, match=r"does not follow from Batch\.seed"):
        draw(5)
