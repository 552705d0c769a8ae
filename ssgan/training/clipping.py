"""Gradient clipping against the length that Adam remembers, so that one long gradient does not undo a thousand short ones.

Late in a run the gradients of a GAN's discriminator are short. Adam divides by their root mean square over a thousand steps, so
the first long one moves the weights far; the next gradient is longer still, and within ten steps of growing swings between
"all real" and "all fake" the classifier has forgotten what it knew (decision 0015). The same idea for the update of each
tensor: Shazeer & Stern 2018 (Adafactor), sections 5 and 6; Wortsman et al. 2023 (StableAdamW), arXiv:2304.13013.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def shorten_(
    parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor], adam: torch.optim.Adam, clip: float, *, stacked: bool
) -> None:
    """Multiply ``gradients`` (of ``parameters``, in place) so that their common length is at most ``clip`` times the usual.

    The usual length is the root of the summed second moments that Adam holds, corrected for their start at 0: with v_t and
    beta2 of Kingma & Ba 2015, algorithm 1, min(1, clip * sqrt(sum v_t / (1 - beta2^t)) / |g|). What Adam does not know yet, and
    what another rule updates (Muon), is neither counted nor changed.

    Args:
        stacked: the first dimension of every parameter counts runs; each run has a length of its own.
    """
    known = [(g, adam.state[p]) for p, g in zip(parameters, gradients, strict=True) if "exp_avg_sq" in adam.state.get(p, ())]
    if not known:
        return
    beta2 = adam.param_groups[0]["betas"][1]
    squared = torch.stack([_total(g.square(), stacked) for g, _ in known]).sum(0)
    usual = torch.stack([_total(s["exp_avg_sq"], stacked) / (1 - beta2 ** s["step"]) for _, s in known]).sum(0)
    # Nothing but gradients of 0 so far says nothing about what is long.
    factor = torch.where(usual > 0, clip * (usual / squared.clamp_min(1e-30)).sqrt(), 1.0).clamp_max(1.0)
    for g, _ in known:
        g.mul_(factor.view(-1, *[1] * (g.ndim - 1)) if stacked else factor)


def _total(x: Tensor, stacked: bool) -> Tensor:
    """Sum of all entries: () or, of each run alone, (runs,)."""
    return x.flatten(1).sum(1) if stacked else x.sum()
