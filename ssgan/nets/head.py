"""Small networks on feature vectors of a backbone (``features.backbone``), in the place of networks on pixels.

Classifier: P -> 256 -> outputs, Gaussian noise before both layers, ReLU, weight norm as in ``mlp``.
Generator: Z -> 256 -> 256 (batch norm of the batch, always; ReLU) -> P, scaled to the length of a real vector.
``net.width`` multiplies the hidden units, ``net.noise`` the noise.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.config import FeatureSpec, Problem
from ssgan.errors import ConfigError
from ssgan.nets import mlp
from ssgan.nets.layers import BatchNorm
from ssgan.nets.weight_norm import WeightNormLinear

CONVOLUTIONAL = False
HIDDEN = 256


class Generator(nn.Module):
    """(N, Z) -> (N, P) of length sqrt(P)."""

    def __init__(self, latent: int, hidden: int, components: int) -> None:
        super().__init__()
        self.dense1 = nn.Linear(latent, hidden, bias=False)
        self.norm1 = BatchNorm(hidden, track=False)
        self.dense2 = nn.Linear(hidden, hidden, bias=False)
        self.norm2 = BatchNorm(hidden, track=False)
        self.output = WeightNormLinear(hidden, components, train_gain=True, init_scale=None)
        for layer in (self.dense1, self.dense2, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, z: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.dense1(z)))
        h = F.relu(self.norm2(self.dense2(h)))
        x = self.output(h)
        return F.normalize(x, dim=1) * x.shape[1] ** 0.5


def _components(problem: Problem) -> int:
    if not isinstance(problem.input, FeatureSpec):
        raise ConfigError("`net.family` is 'head', which learns on features; set features.backbone, or take another family")
    return problem.input.components


def _hidden(problem: Problem) -> int:
    return max(1, round(HIDDEN * problem.net.width))


def classifier(problem: Problem, outputs: int) -> mlp.Classifier:
    return mlp.Classifier(_components(problem), [_hidden(problem)], outputs, problem.net.noise)


def generator(problem: Problem) -> Generator:
    return Generator(problem.net.latent_dim, _hidden(problem), _components(problem))
