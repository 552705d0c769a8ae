"""Exponential moving average of weights, bias-corrected (Polyak & Juditsky 1992; Kingma & Ba 2015, section 3 for the
correction)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Average of the parameters and floating-point buffers of some networks.

    After t updates it is sum_i d^(t-i) theta_i / sum_i d^(t-i): the correction by 1 - d^t is folded into the weight of each
    update, so that the average of constants is that constant from the first update on.

    Args:
        nets: networks by name.
        halflife: in updates; the decay per update is d = 0.5 ** (1 / halflife).
    """

    def __init__(self, nets: dict[str, nn.Module], halflife: float) -> None:
        self.decay = 0.5 ** (1.0 / halflife)
        self.updates = 0
        self._live = dict(_averageable(nets))
        self.tensors = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        weight = (1.0 - self.decay) / (1.0 - self.decay**self.updates)
        torch._foreach_lerp_(list(self.tensors.values()), list(self._live.values()), weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the networks carry the averaged weights."""
        live = list(self._live.values())
        backup = [t.detach().clone() for t in live]
        _assign(live, list(self.tensors.values()))
        try:
            yield
        finally:
            _assign(live, backup)


def _averageable(nets: dict[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    for prefix, net in nets.items():
        for name, value in net.state_dict(keep_vars=True).items():
            if value.is_floating_point():
                yield f"{prefix}.{name}", value


@torch.no_grad()
def _assign(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
