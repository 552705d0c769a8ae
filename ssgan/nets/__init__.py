"""One file per family of networks; the file name is what ``net.family`` says.

A family defines two functions and says what it is:

    CONVOLUTIONAL                   whether its classifier is (some methods have another learning rate for such networks)
    classifier(problem, outputs)    (N, C, S, S) images in [0, 1] -> layers.Out(features (N, F), logits (N, outputs))
    generator(problem)              (N, Z) latents, uniform in [0, 1) -> (N, C, S, S) images in [0, 1]

and raises ConfigError for an image size that it cannot do.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from torch import nn

from ssgan.config import Problem
from ssgan.errors import ConfigError
from ssgan.nets import layers

# What families are made of, and the density of `bad_gan`; a new file that is no family stands here too.
BUILDING_BLOCKS = ("layers", "minibatch", "pixelcnn", "virtual_batch_norm", "weight_norm")


class Family(Protocol):
    """What a file of this package defines."""

    @property
    def CONVOLUTIONAL(self) -> bool: ...  # noqa: N802 - a constant of the module

    def classifier(self, problem: Problem, outputs: int) -> layers.Classifier: ...

    def generator(self, problem: Problem) -> nn.Module: ...


def names() -> list[str]:
    """Every family there is: the files of this package, those with building blocks apart."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in BUILDING_BLOCKS)


def family(name: str) -> Family:
    """The family's module. Raises ConfigError with the list of names where there is none."""
    if name not in names():
        raise ConfigError(f"`net.family` is {name!r}, which does not exist; choose one of {', '.join(names())}")
    return cast(Family, importlib.import_module(f"ssgan.nets.{name}"))
