"""A small method, and a batch for it."""

from __future__ import annotations

from typing import Any

import torch

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.nets.layers import GaussianNoise
from ssgan.players.fitted import FittedMethod


def stepped() -> list[str]:
    """Methods that are trained in steps, and so run on pixels too."""
    return [name for name in methods.names() if not issubclass(methods.module(name).Method, FittedMethod)]


def build(name: str, **options: Any) -> SemiSupervisedMethod:
    """A small method without noise."""
    torch.manual_seed(0)
    problem = Problem(ImageSpec(1, 6, "fit"), 3, NetConfig(width=0.05))
    method = methods.build(name, methods.resolve_config(name, options), problem)
    for module in method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
    return method


def batch(step: int = 5) -> Batch:
    """6 labeled images of three classes and twice 10 unlabeled ones, (1, 6, 6) each."""
    g = torch.Generator().manual_seed(1)
    x_l, x_u, x_u2 = (torch.rand(n, 1, 6, 6, generator=g) for n in (6, 10, 10))
    return Batch(x_l, torch.tensor([0, 1, 2, 0, 1, 2]), x_u, x_u2, step, 7)


def terms(method: SemiSupervisedMethod, b: Batch) -> dict[str, float]:
    """The terms of the first phase's loss."""
    return {k: v.item() for k, v in method.phases()[0].loss(b).items()}
