"""Running averages of a network's weights: a teacher, which gives the targets on unlabeled images, and historical averaging.

Historical averaging (Salimans et al. 2016, section 3.3): a penalty on a player's distance from the mean of its past weights.
The mean of network NAME is a network NAME_history, so that it is a part of every checkpoint.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ssgan.core import losses

SUFFIX = "_history"


def teacher_of(net: nn.Module) -> nn.Module:
    """A copy of the network, which no phase trains."""
    return copy.deepcopy(net).requires_grad_(False)


def ema_weight(step: int, decay: float) -> float:
    """1 - a of ``update_ema`` at a step, a = min(1 - 1/(step + 1), decay): at first the mean (Tarvainen & Valpola 2017)."""
    return 1.0 - min(1.0 - 1.0 / (step + 1), decay)


@torch.no_grad()
def update_ema(teacher: nn.Module, net: nn.Module, weight: float | Tensor) -> None:
    """theta' <- a theta' + (1 - a) theta, ``weight`` = 1 - a."""
    averages, weights = list(teacher.state_dict().values()), list(net.state_dict().values())
    if isinstance(weight, Tensor):
        torch._foreach_lerp_(averages, weights, [weight] * len(averages))
    else:
        torch._foreach_lerp_(averages, weights, weight)


def add_running_averages(nets: nn.ModuleDict, *names: str) -> None:
    """Add a running average of each of these networks, which no phase trains."""
    for name in names:
        nets[name + SUFFIX] = teacher_of(nets[name])


def start_running_averages(nets: nn.ModuleDict) -> None:
    """After the data-dependent initialization: the averages start at the networks' weights."""
    for average, net in _pairs(nets):
        average.load_state_dict(net.state_dict())


def update_running_averages(nets: nn.ModuleDict, weight: float | Tensor) -> None:
    """After step t = 0, 1, ..., with ``ema_weight(t, 1.0)``: the averages become the means of the weights since step 0."""
    for average, net in _pairs(nets):
        update_ema(average, net, weight)


def distance_from_running_average(nets: nn.ModuleDict, name: str) -> Tensor:
    """|theta - mean theta|^2 of one network -> scalar >= 0."""
    return losses.squared_distance(nets[name].parameters(), nets[name + SUFFIX].parameters())


def _pairs(nets: nn.ModuleDict) -> list[tuple[nn.Module, nn.Module]]:
    """Each running average and its network."""
    return [(average, nets[name.removesuffix(SUFFIX)]) for name, average in nets.items() if name.endswith(SUFFIX)]
