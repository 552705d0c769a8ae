"""Historical averaging: a player pays for its distance from the mean of its own past weights.

Salimans et al. 2016, section 3.3. The mean of network NAME is a network NAME_history, so that it is a part of every checkpoint.
"""

from __future__ import annotations

from torch import Tensor, nn

from ssgan import losses
from ssgan.players.teacher import follow, teacher_of

SUFFIX = "_history"


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
