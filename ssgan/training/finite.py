"""Whether all numbers of a training are finite: noted on the device in every phase, looked at now and then.

To ask the device is to wait until it has done all that it was given, and to leave it idle until it is given more. So a phase
leaves a flag there, and the terms that it would be explained by. Once one is up, ``broken`` keeps the optimizers from changing
any parameter: those of the last good phase stay.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssgan.core.distributed import summed
from ssgan.errors import NonFiniteError


class Noted(NamedTuple):
    """What one phase of one step left."""

    step: int
    phase: str
    broken: Tensor  # () float32, 1 where its total or a gradient, or anything before it, was not finite, else 0
    terms: dict[str, Tensor]  # of this rank, detached


class Watch:
    """The phases since the last look, ``noted``. ``broken``: () float32 on the device, 1 or 0; None before the first phase."""

    def __init__(self) -> None:
        self.broken: Tensor | None = None
        self.noted: list[Noted] = []

    @torch.no_grad()
    def note(self, step: int, phase: str, terms: dict[str, Tensor], gradients: list[Tensor]) -> Tensor:
        """Note a phase after its gradients were averaged over ranks; returns what ``broken`` is from now on. Asks nothing."""
        size = torch.stack(torch._foreach_norm(gradients)).sum() + terms["total"].float()
        broken = size.isfinite().logical_not().float()
        self.broken = broken if self.broken is None else torch.maximum(self.broken, broken)
        self.noted.append(Noted(step, phase, self.broken, terms))
        return self.broken

    def look(self) -> None:
        """Ask the device; collective, so that all ranks stop together.

        Raises:
            NonFiniteError: something was not finite since the last look; names step, phase and term.
        """
        noted, self.noted = self.noted, []
        if not noted:
            return
        flags: list[float] = summed(torch.stack([one.broken for one in noted])).tolist()
        for one, flag in zip(noted, flags, strict=True):
            if flag:
                raise _error(one)


def _error(first: Noted) -> NonFiniteError:
    bad = [name for name, value in first.terms.items() if not bool(torch.isfinite(value).all())]
    what = f"the term {' and '.join(repr(b) for b in bad)}" if bad else "a gradient (of this worker or of another one)"
    return NonFiniteError(
        f"step {first.step}: {what} of phase {first.phase!r} is not finite (NaN or infinite); lower "
        "method.options.learning_rate, or use train.precision float32 if it is bf16 or auto"
    )
