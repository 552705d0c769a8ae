"""The permutation-invariant networks of Improved GAN (Salimans et al. 2016) on MNIST, for any small image.

Classifier: C*S*S -> 1000 -> 500 -> 250 -> 250 -> 250 -> outputs; Gaussian noise before every layer (0.3, then 0.5), ReLU,
weight norm with gains frozen in the hidden layers, data-dependent initialization.
Generator: Z -> 500 -> 500 (batch norm without scale, softplus) -> C*S*S (weight norm, sigmoid).
Details from the authors' code. ``net.width`` multiplies the hidden units, ``net.noise`` the noise.
"""

from __future__ import annotations

import itertools
import math

import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.config import Problem
from ssgan.nets import layers
from ssgan.nets.layers import BatchNorm, GaussianNoise, Out
from ssgan.nets.weight_norm import WeightNormLinear

CONVOLUTIONAL = False
HIDDEN = (1000, 500, 250, 250, 250)
INPUT_NOISE, HIDDEN_NOISE = 0.3, 0.5


class Classifier(layers.Classifier):
    """(N, C, S, S) in [0, 1] -> Out(features (N, F), logits (N, outputs)); F = 250 at width 1."""

    def __init__(self, inputs: int, hidden: list[int], outputs: int, noise: float = 1.0) -> None:
        super().__init__()
        sizes = [inputs, *hidden]
        self.noise = nn.ModuleList(GaussianNoise(noise * (HIDDEN_NOISE if i else INPUT_NOISE)) for i in range(len(sizes)))
        self.hidden = nn.ModuleList(WeightNormLinear(i, o) for i, o in itertools.pairwise(sizes))
        self.output = WeightNormLinear(sizes[-1], outputs, train_gain=True)

    def features(self, x: Tensor) -> Tensor:
        """(N, F) last hidden layer, before the noise of the output layer."""
        h = x.flatten(1)
        for noise, layer in zip(self.noise, self.hidden, strict=False):
            h = F.relu(layer(noise(h)), inplace=True)
        return h

    def forward(self, x: Tensor) -> Out:
        features = self.features(x)
        return Out(features, self.output(self.noise[-1](features)))


class Generator(nn.Module):
    """(N, Z) -> (N, C, S, S) in [0, 1]. Batch statistics always, also for single pictures in the report."""

    def __init__(self, latent: int, hidden: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.dense1 = nn.Linear(latent, hidden, bias=False)
        self.norm1 = BatchNorm(hidden, scale=False, track=False, eps=1e-6)
        self.dense2 = nn.Linear(hidden, hidden, bias=False)
        self.norm2 = BatchNorm(hidden, scale=False, track=False, eps=1e-6)
        self.output = WeightNormLinear(hidden, math.prod(shape), train_gain=True, init_scale=None)
        for layer in (self.dense1, self.dense2, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, z: Tensor) -> Tensor:
        h = F.softplus(self.norm1(self.dense1(z)))
        h = F.softplus(self.norm2(self.dense2(h)))
        return self.output(h).sigmoid().view(-1, *self.shape)


def classifier(problem: Problem, outputs: int) -> Classifier:
    hidden = [max(1, round(units * problem.net.width)) for units in HIDDEN]
    return Classifier(problem.image.bytes, hidden, outputs, problem.net.noise)


def generator(problem: Problem) -> Generator:
    return Generator(problem.net.latent_dim, max(1, round(500 * problem.net.width)), problem.image.shape)
