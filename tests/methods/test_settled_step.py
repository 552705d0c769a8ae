"""The step from which a method is whole: a search stops no trial before it."""

from __future__ import annotations

from typing import Any

import pytest

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from tests.support.methods import stepped

PROBLEM = Problem(ImageSpec(1, 8, "fit"), 3, NetConfig(width=0.05, latent_dim=4))
# When something begins or ends.
BEGINNINGS = ("_start", "ramp_steps", "pretrain_steps", "strong_labeled_steps", "stroke_steps")
LATE = 77_777


def waits() -> list[tuple[str, str]]:
    return [(n, key) for n in stepped() for key in methods.module(n).Config.model_fields if key.endswith(BEGINNINGS)]


def test_there_are_methods_that_wait() -> None:
    assert {"bad_gan", "categorical_gan", "mean_teacher", "pseudo_label", "teacher_gan", "triple_gan", "ugan"} <= {
        name for name, _ in waits()
    }


@pytest.mark.parametrize(("name", "option"), waits())
def test_every_option_that_lets_something_wait_counts(name: str, option: str) -> None:
    assert methods.resolve_config(name, {option: LATE}).first_comparable_step >= LATE


@pytest.mark.parametrize("name", stepped())
@pytest.mark.parametrize("more", [{}, {"density": "pixels"}])
def test_all_phases_have_begun(name: str, more: dict[str, Any]) -> None:
    config = methods.resolve_config(name, {k: v for k, v in more.items() if k in methods.module(name).Config.model_fields})
    assert max(phase.start for phase in methods.build(name, config, PROBLEM).phases()) <= config.first_comparable_step
