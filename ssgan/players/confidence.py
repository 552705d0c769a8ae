"""How much a pseudo-label counts where the threshold follows the classifier: running means of its confidence over the run.

Letters: N unlabeled images, K classes, q = (N, K) predictions. Statistics are those of the global batch.

FreeMatch (Wang et al. 2023, arXiv:2205.07246, eq. 5 to 8): a pseudo-label counts where max q exceeds tau_t(argmax q), with
tau_t(c) = p_t(c) / max p_t * tau_t, tau_t the running mean of max q, and p_t(c) that of q(c).

SoftMatch (Chen et al. 2023, arXiv:2301.10921, section 3): with mu_t and v_t the running mean and variance of max q, a
pseudo-label has weight 1 above mu_t, and exp(-(max q - mu_t)^2 / (2 v_t / 2^2)) below, as in the authors' code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssgan.core.distributed import batch_mean, batch_means, world_size

SIGMAS = 2.0  # the truncated Gaussian is as narrow as if the deviation were divided by this


class Statistics(NamedTuple):
    """Of predictions: mean () and variance () of the largest probability, mean of all (K,)."""

    mean: Tensor
    variance: Tensor
    shares: Tensor


def statistics(q: Tensor) -> Statistics:
    """(N, K) -> those of the global batch; the variance is the unbiased one."""
    confidence = q.max(1).values
    n = confidence.shape[0] * world_size()
    mean, shares = batch_means(confidence, q)
    return Statistics(mean, batch_mean((confidence - mean).square()) * (n / max(n - 1, 1)), shares)


def freematch(q: Tensor, running: Statistics) -> Tensor:
    """(N, K) -> (N,) 0 or 1: whether the largest probability exceeds the threshold of its class."""
    thresholds = running.shares / running.shares.max() * running.mean
    confidence, label = q.max(1)
    return (confidence > thresholds[label]).float()


def softmatch(q: Tensor, running: Statistics) -> Tensor:
    """(N, K) -> (N,) in (0, 1]: a Gaussian of the largest probability, cut off at its mean."""
    below = (q.max(1).values - running.mean).clamp(max=0)
    return torch.exp(-below.square() * SIGMAS**2 / (2 * running.variance.clamp_min(1e-12)))


WEIGHTS = {"freematch": freematch, "softmatch": softmatch}


class RunningConfidence(nn.Module):
    """Moving averages of ``Statistics`` over the steps of a run, from mean and shares of 1/K and variance 1."""

    mean: Tensor
    variance: Tensor
    shares: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(1 / classes))
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("shares", torch.full((classes,), 1 / classes))

    @torch.no_grad()
    def following(self, q: Tensor, decay: float) -> Statistics:
        """The averages after a batch of (N, K) predictions; they become the present ones by ``keep``."""
        now = statistics(q)
        return Statistics(*(old.lerp(new, 1 - decay) for old, new in zip(self._present(), now, strict=True)))

    @torch.no_grad()
    def keep(self, averages: Statistics) -> None:
        """Take over what ``following`` returned."""
        for old, new in zip(self._present(), averages, strict=True):
            old.copy_(new)

    def _present(self) -> Statistics:
        return Statistics(self.mean, self.variance, self.shares)
