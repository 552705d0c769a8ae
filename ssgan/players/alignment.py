"""Distribution alignment: predictions divided by how often each class has been predicted lately.

Berthelot et al.: ReMixMatch (ICLR 2020), arXiv:1911.09785, section 3.1: q'(c) is proportional to q(c) p(c) / p_t(c), with p the
shares of the classes (equal ones here) and p_t the running mean of the predictions. Without it a classifier that was trained on
few labels calls nearly everything one class, and learns to do so from its own pseudo-labels. Letters: N images, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssgan.core.distributed import batch_mean

LEAST = 1e-6  # mean prediction of a class, below which it counts as this: one that is never predicted has 0


class ClassAlignment(nn.Module):
    """The running mean of predictions (K,), from 1/K."""

    predicted: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("predicted", torch.full((classes,), 1 / classes))

    @torch.no_grad()
    def following(self, q: Tensor, decay: float) -> Tensor:
        """(K,) the mean after a global batch of predictions (N, K); it becomes the present one by ``keep``."""
        return self.predicted.lerp(batch_mean(q), 1 - decay)

    @torch.no_grad()
    def keep(self, predicted: Tensor) -> None:
        """Take over what ``following`` returned."""
        self.predicted.copy_(predicted)


def aligned(q: Tensor, predicted: Tensor) -> Tensor:
    """Predictions (N, K) and their running mean (K,) -> (N, K), each row again with sum 1."""
    q = q / predicted.clamp_min(LEAST)
    return q / q.sum(1, keepdim=True)
