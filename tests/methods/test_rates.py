"""Rate and clipping where the user names none: what fits the kind of network."""

from __future__ import annotations

import pytest

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.method import SemiSupervisedMethod
from tests.support.methods import stepped


def built(name: str, family: str, **options: float) -> SemiSupervisedMethod:
    problem = Problem(ImageSpec(3, 32, "fit"), 3, NetConfig(family=family, width=0.1))
    return methods.build(name, methods.resolve_config(name, options), problem)


def rates(name: str, family: str, **options: float) -> dict[str, float]:
    return {phase.name: phase.optimizer.lr for phase in built(name, family, **options).phases()}


@pytest.mark.parametrize(
    ("name", "family", "discriminator", "generator"),
    [
        ("feature_matching", "mlp", 3e-3, 3e-3),  # Salimans et al. 2016, code for MNIST
        ("feature_matching", "compact", 3e-4, 3e-4),  # for SVHN and CIFAR-10
        ("feature_matching", "improved_gan", 3e-4, 3e-4),
        ("bad_gan", "mlp", 3e-3, 1e-3),  # Dai et al. 2017, code for MNIST
        ("bad_gan", "compact", 1e-3, 1e-3),  # for SVHN
        ("implicit_fake", "mlp", 1e-3, 1e-3),
        ("implicit_fake", "compact", 1e-3, 1e-3),
    ],
)
def test_rate_depends_on_the_networks(name: str, family: str, discriminator: float, generator: float) -> None:
    assert rates(name, family) == {"discriminator": discriminator, "generator": generator}


@pytest.mark.parametrize("family", ["mlp", "compact"])
def test_a_rate_that_is_named_is_taken(family: str) -> None:
    assert rates("feature_matching", family, learning_rate=7e-4) == {"discriminator": 7e-4, "generator": 7e-4}
    assert rates("bad_gan", family, learning_rate=7e-4) == {"discriminator": 7e-4, "generator": 1e-3}


TWO_PLAYERS = ("gan", "explicit_fake", "implicit_fake", "feature_matching", "categorical_gan", "bad_gan")


@pytest.mark.parametrize("name", stepped())
def test_two_players_are_clipped_on_convolutions(name: str) -> None:
    """Decision 0015; only there have steps been seen to run away."""
    assert built(name, "compact").gradient_clip == (2.0 if name in TWO_PLAYERS else 0.0)
    assert built(name, "mlp").gradient_clip == 0.0


def test_a_clip_that_is_named_is_taken() -> None:
    assert built("gan", "compact", gradient_clip=0.0).gradient_clip == 0.0
    assert built("supervised", "mlp", gradient_clip=3.0).gradient_clip == 3.0
    assert built("implicit_fake", "compact", muon_rate=0.02).gradient_clip == 0.0, "Muon's steps have a length of their own"
