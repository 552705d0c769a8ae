"""Running averages of a network's weights: a teacher, which gives the targets on unlabeled images, and historical averaging.

Historical averaging (Salimans et al. 2016, section 3.3): a player pays for its distance from the mean of its own past weights.
The mean of network NAME is a network NAME_history, so that it is a part of every checkpoint.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ssgan.core import losses

SUFFIX = "_history"


def teacher_of(net: nn.Module) -> nn.Module:
    """A copy that no phase trains."""
    return copy.deepcopy(net).requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """theta' <- a theta' + (1 - a) theta, a = min(1 - 1/(step + 1), decay): a mean at first (Tarvainen & Valpola 2017)."""
    weight = 1.0 - min(1.0 - 1.0 / (step + 1), decay)
    torch._foreach_lerp_(list(teacher.state_dict().values()), list(net.state_dict().values()), weight)


def keep_history(nets: nn.ModuleDict, *names: str) -> None:
    """Add the histories of some networks, which no phase trains."""
    for name in names:
        nets[name + SUFFIX] = teacher_of(nets[name])


def start_history(nets: nn.ModuleDict) -> None:
    """After the data-dependent initialisation: the histories are the networks as they are."""
    for history, net in _pairs(nets):
        history.load_state_dict(net.state_dict())


def follow_history(nets: nn.ModuleDict, step: int) -> None:
    """After step t = 0, 1, ...: the histories become the means of the weights after the steps 0 to t."""
    for history, net in _pairs(nets):
        follow(history, net, step, decay=1.0)


def distance_from_history(nets: nn.ModuleDict, name: str) -> Tensor:
    """|theta - mean theta|^2 of one network -> scalar >= 0."""
    return losses.squared_distance(nets[name].parameters(), nets[name + SUFFIX].parameters())


def _pairs(nets: nn.ModuleDict) -> list[tuple[nn.Module, nn.Module]]:
    return [(history, nets[name.removesuffix(SUFFIX)]) for name, history in nets.items() if name.endswith(SUFFIX)]
