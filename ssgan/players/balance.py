"""Balanced pseudo-labels: adaptive logit adjustment, so that of classes of about the same size none is predicted far too often.

With two labels per class a network may take most threes for twos, and then learns to do so from its own pseudo-labels.
Distribution alignment (Berthelot et al. 2020, section 3.1) divides predictions by the frequency of each class, which changes
nothing where the network is confident. Here a dual variable per class, its price, is subtracted from the logits. It changes for
as long as the class's share is out of bounds, as in the dual of optimal transport to classes of equal size (Asano et al. 2020,
eq. 3-5). Prices decay: no two classes are exactly equal in size, and a class that chance takes out of bounds now and then must
not accumulate all of those steps.

Letters: N images, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHARE_DECAY = 0.9  # of the exponential moving average of a class's share, per step
PRICE_DECAY = 0.01  # relative decrease of every price per step


class ClassBalance(nn.Module):
    """Dual variables (K,), subtracted from a teacher's logits, and the running share (K,) of each class in its predictions."""

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
    def update(self, mean_prediction: Tensor, rate: float, tolerance: float) -> None:
        """A step of dual ascent on the prices.

        Args:
            mean_prediction: (K,) mean probabilities over the global batch.
            rate: logits per step for a class that is predicted twice as often as the others, beyond the tolerance.
            tolerance: relative deviation from 1/K that is not corrected.
        """
        self.shares.lerp_(mean_prediction, 1 - SHARE_DECAY)
        excess = self.shares * len(self.shares) - 1
        self.prices.mul_(1 - PRICE_DECAY).add_(excess.sign() * (excess.abs() - tolerance).clamp(min=0), alpha=rate)
        self.prices.sub_(self.prices.mean())
