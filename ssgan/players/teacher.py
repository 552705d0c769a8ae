"""The teacher: a moving average of a network over steps, which gives the targets on unlabeled images."""

from __future__ import annotations

import copy

import torch
from torch import nn


def teacher_of(net: nn.Module) -> nn.Module:
    """A copy that no phase trains."""
    return copy.deepcopy(net).requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """theta' <- a theta' + (1 - a) theta, a = min(1 - 1/(step + 1), decay): a mean at first (Tarvainen & Valpola 2017)."""
    weight = 1.0 - min(1.0 - 1.0 / (step + 1), decay)
    torch._foreach_lerp_(list(teacher.state_dict().values()), list(net.state_dict().values()), weight)
