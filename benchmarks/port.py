"""Feature matching as ports of it are written: the rival of the benchmarks. It is no part of the library.

Weight norm on the weight by plain tensor operations, fresh noise, three forward passes, gradients of both players in the
generator's step, Adam without fusing, no data-dependent initialization, no average of weights.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.core.batch import Batch
from ssgan.nets.layers import Out

SIZES = [784, 1000, 500, 250, 250, 250, 10]
GENERATOR = [100, 500, 500, 784]


class PortedLinear(nn.Module):
    """Weight norm as ports write it: the weight is divided by its norm in every forward pass."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.1)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.scale / self.weight.pow(2).sum(1).sqrt()).unsqueeze(1).expand_as(self.weight)
        return F.linear(x, weight, self.bias)


class PortedDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PortedLinear(i, o) for i, o in itertools.pairwise(SIZES))

    def forward(self, x: Tensor) -> Out:
        x = self._noisy(x, 0.3)
        for layer in list(self.layers)[:-1]:
            features = F.relu(layer(x))
            x = self._noisy(features, 0.5)
        return Out(features, self.layers[-1](x))

    def _noisy(self, x: Tensor, sigma: float) -> Tensor:
        return x + torch.randn_like(x) * sigma if self.training else x


class Port:
    """Both networks and their optimizers, for 28x28 images of ten classes."""

    def __init__(self) -> None:
        self.d = PortedDiscriminator()
        self.g = nn.Sequential(
            nn.Linear(100, 500), nn.BatchNorm1d(500), nn.Softplus(), nn.Linear(500, 500), nn.BatchNorm1d(500), nn.Softplus()
        )
        self.g.append(PortedLinear(500, 784))
        self.g.append(nn.Sigmoid())
        self.adam_d, self.adam_g = (
            torch.optim.Adam(net.parameters(), 3e-3, (0.5, 0.999), foreach=False) for net in (self.d, self.g)
        )

    def step(self, batch: Batch) -> None:
        d, g, n = self.d, self.g, len(batch.x_u)
        x_l, x_u, x_u2 = (x.flatten(1) for x in (batch.x_l, batch.x_u, batch.x_u2))
        fake = g(torch.rand(n, 100)).detach()
        labeled, unlabeled, generated = d(x_l).logits, d(x_u).logits, d(fake).logits
        lse_u, lse_f = torch.logsumexp(unlabeled, 1), torch.logsumexp(generated, 1)
        loss = F.cross_entropy(labeled, batch.y_l) + 0.5 * (F.softplus(lse_u) - lse_u).mean() + 0.5 * F.softplus(lse_f).mean()
        self.adam_d.zero_grad()
        torch.autograd.backward(loss)
        self.adam_d.step()
        features_fake, features_real = d(g(torch.rand(n, 100))).features, d(x_u2).features
        self.adam_g.zero_grad()
        self.adam_d.zero_grad()
        (features_fake.mean(0) - features_real.mean(0)).square().mean().backward()
        self.adam_g.step()

    @torch.no_grad()
    def answers(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) in [0, 1] -> (N,) class ids."""
        self.d.eval()
        pseudo_labels = self.d(x.flatten(1)).logits.argmax(1)
        self.d.train()
        return pseudo_labels
