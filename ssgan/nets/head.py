"""Small networks on feature vectors of a backbone (``features.backbone``), in the place of networks on pixels.

Classifier: P -> 256 (ReLU), and from these and the P inputs to the outputs, so that it is a linear probe to begin with.
Gaussian noise on the input, as large as the vectors' own root mean square, 1: it takes the place of weight decay, and without
it a GAN was worth no more on photos than fakes without a generator (docs/results/photos.md has what it is worth with it).
Generator: Z -> 256 -> 256 (batch norm of the batch, always; ReLU) -> P, scaled to the length of a real vector.
``net.width`` multiplies the hidden units, ``net.noise`` the noise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.config import FeatureSpec, Problem
from ssgan.errors import ConfigError
from ssgan.nets import layers
from ssgan.nets.layers import BatchNorm, GaussianNoise, Out
from ssgan.nets.weight_norm import WeightNormLinear

CONVOLUTIONAL = False
HIDDEN = 256
OUTPUT_STD = 0.01  # small: with a label per class, what the initial logits say of an image is not forgotten


class Classifier(layers.Classifier):
    """(N, P) -> Out(features (N, P + hidden), logits (N, outputs))."""

    def __init__(self, components: int, hidden: int, outputs: int, noise: float) -> None:
        super().__init__()
        self.noise = GaussianNoise(noise)
        self.hidden = nn.Linear(components, hidden)
        self.output = nn.Linear(components + hidden, outputs)
        nn.init.kaiming_normal_(self.hidden.weight)
        nn.init.normal_(self.output.weight, std=OUTPUT_STD)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.output.bias)

    def features(self, x: Tensor) -> Tensor:
        """(N, P + hidden) the noisy input and the hidden units."""
        x = self.noise(x)
        return torch.cat([x, F.relu(self.hidden(x))], dim=1)

    def forward(self, x: Tensor) -> Out:
        features = self.features(x)
        return Out(features, self.output(features))


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


def classifier(problem: Problem, outputs: int) -> Classifier:
    return Classifier(_components(problem), _hidden(problem), outputs, problem.net.noise)


def generator(problem: Problem) -> Generator:
    return Generator(problem.net.latent_dim, _hidden(problem), _components(problem))
