"""Muon for the hidden weights of a weight-normalised classifier, Adam for everything else (Jordan et al. 2024, "Muon").

Adam scales every weight by itself; Muon moves the matrix of a layer by the nearest orthogonal matrix to its momentum, so that
all directions of the layer learn at the same rate, also those that the gradient hardly sees.

Letters: O outputs of a layer, I inputs (of a convolution: input channels times kernel).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssgan.nets.weight_norm import WeightNorm

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: of the quintic whose iteration brings singular values near 1
ITERATIONS = 5
MOMENTUM = 0.6  # for runs of some thousand steps


def hidden_weights(net: nn.Module) -> list[WeightNorm]:
    """The layers whose weights Muon updates: weight-normalised ones but the last, which gives the logits."""
    output = getattr(net, "output", None)
    last = set() if output is None else set(output.modules())
    return [m for m in net.modules() if isinstance(m, WeightNorm) and m not in last]


def orthogonalized(matrices: Tensor) -> Tensor:
    """(..., O, I) -> the same shape with the same singular vectors, all singular values near 1 (about 0.7 to 1.2)."""
    a, b, c = COEFFICIENTS
    x = matrices / torch.linalg.matrix_norm(matrices, keepdim=True).clamp(min=1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class MuonAdam(torch.optim.Adam):
    """Adam, except for the directions V of some weight-normalised layers.

    With the gradient G of V, momentum m = 0.6:  B <- m B + G,  V <- sqrt(O) V / ||V|| - rate * orthogonalized(G + m B). The
    length of V has no meaning under weight norm, so it is set anew and ``rate`` is the relative change of a unit per step.

    Args:
        layers: of which V is updated so; a stack of runs has one more dimension in front, and each run is updated alone.
        rest: all other parameters, for Adam.
        lr, adam: the peak rate and the other settings of Adam.
        rate: the peak rate of Muon; it falls with that of Adam.
    """

    def __init__(self, layers: Sequence[WeightNorm], rest: Iterable[nn.Parameter], lr: float, rate: float, **adam: Any) -> None:
        self.dims = [layer.weight_dims for layer in layers]
        super().__init__([{"params": [layer.weight for layer in layers]}, {"params": list(rest)}], lr=lr, **adam)
        self.ratio = rate / lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        for v, dims in zip(group["params"], self.dims, strict=True):
            if v.grad is not None:
                self._turn(v, v.ndim - dims, self.ratio * group["lr"])
                v.grad = None  # Adam leaves it alone
        super().step(closure)

    def _turn(self, v: nn.Parameter, runs: int, rate: float) -> None:
        """``runs``: leading dimensions that count runs."""
        gradient = cast(Tensor, v.grad)
        state = self.state[v]
        if not state:  # Adam's load_state_dict asks every state for its step
            state |= {"step": torch.zeros((), device=v.device), "momentum": torch.zeros_like(v)}
        momentum = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        matrix = v.flatten(runs + 1)
        turn = orthogonalized(gradient.add(momentum, alpha=MOMENTUM).flatten(runs + 1).float())
        length = torch.linalg.matrix_norm(matrix, keepdim=True)
        v.copy_((matrix * (matrix.shape[runs] ** 0.5 / length) - rate * turn).view_as(v))
