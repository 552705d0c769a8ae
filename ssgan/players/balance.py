"""Balanced answers: a price per class, so that no class of several of about the same size is said far too often or too rarely.

With two labels per class a network may call most threes twos, and learns from its own answers to do so. Distribution alignment
(Berthelot et al. 2020, section 3.1) divides answers by how often each class is said, which changes nothing where the network is
sure. Here prices are taken off the logits and go up and down for as long as a class is out of bounds, as in the dual of optimal
transport to classes of equal size (Asano et al. 2020, eq. 3-5). And they are forgotten: no two classes are quite equal, and one
that chance takes out of bounds now and then must not pay for all of those steps at once.

Letters: N images, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEMORY = 0.9  # of the running share of a class, per step
FORGET = 0.01  # share of every price that is lost per step


class ClassBalance(nn.Module):
    """Prices (K,) that are taken off the logits of a teacher, and the running share (K,) of each class in its answers."""

    prices: Tensor
    shares: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("prices", torch.zeros(classes))
        self.register_buffer("shares", torch.full((classes,), 1 / classes))

    def forward(self, logits: Tensor) -> Tensor:
        """(N, K) logits -> (N, K) probabilities."""
        return (logits.float() - self.prices).softmax(1)

    @torch.no_grad()
    def follow(self, said: Tensor, rate: float, tolerance: float) -> None:
        """Change the prices after a step.

        Args:
            said: (K,) mean probabilities over the global batch.
            rate: logits per step for a class that is said twice as often as the others, beyond the tolerance.
            tolerance: relative deviation from 1/K that is left alone.
        """
        self.shares.lerp_(said, 1 - MEMORY)
        excess = self.shares * len(self.shares) - 1
        self.prices.mul_(1 - FORGET).add_(excess.sign() * (excess.abs() - tolerance).clamp(min=0), alpha=rate)
        self.prices.sub_(self.prices.mean())
