"""A compact convolutional classifier (0.3 M parameters at width 1) and a DCGAN generator, for 8 to 256 pixels.

Classifier: after the MNIST classifier of Triple-GAN (Li et al. 2017), with weight norm and data-dependent initialization
in the place of batch norm, so that labeled, unlabeled and fake images never share statistics and go through the network in
one pass. Stages of two 3x3 convolutions, each followed by 2x2 max pooling, until 7 or 8 pixels (or fewer) are left, then
two more and a global mean. Generator: DCGAN (Radford et al. 2016) with 4x4 stride-2 transposed convolutions.

Deviations: weight norm for batch norm; all convolutions keep the size; Gaussian noise 0.15 on the input as in Triple-GAN's
CIFAR-10 classifier.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.config import Problem
from ssgan.errors import ConfigError
from ssgan.nets import layers
from ssgan.nets.layers import BatchNorm, Dropout, GaussianNoise, Out
from ssgan.nets.weight_norm import WeightNormConv2d, WeightNormLinear, initializing

CONVOLUTIONAL = True
LEAK = 0.1
PASS_PIXELS = 50 * 64 * 64  # of the images that a CPU trains on at once: more activations do not fit into its caches


class Stage(nn.Module):
    """Two 3x3 convolutions with leaky ReLU, then 2x2 max pooling and dropout unless it is the last stage."""

    def __init__(self, inputs: int, outputs: int, *, pool: bool, noise: float) -> None:
        super().__init__()
        self.conv1 = WeightNormConv2d(inputs, outputs, 3, padding=1)
        self.conv2 = WeightNormConv2d(outputs, outputs, 3, padding=1)
        self.dropout = Dropout(0.5 * noise) if pool else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.leaky_relu(self.conv1(x), LEAK, inplace=True))
        if self.dropout is None:
            return F.leaky_relu(x, LEAK, inplace=True)
        # A leaky ReLU keeps the order of values: behind the pooling it is the same, on a quarter of them.
        return self.dropout(F.leaky_relu(F.max_pool2d(x, 2), LEAK, inplace=True))


class Classifier(layers.Classifier):
    """(N, C, S, S) in [0, 1] -> Out(features (N, F), logits (N, outputs)); F = 128 at width 1."""

    def __init__(self, channels: int, widths: list[int], outputs: int, noise: float) -> None:
        super().__init__()
        self.noise = GaussianNoise(0.15 * noise)
        sizes = [channels, *widths]
        last = len(widths) - 1
        self.stages = nn.ModuleList(Stage(sizes[i], sizes[i + 1], pool=i < last, noise=noise) for i in range(len(widths)))
        self.output = WeightNormLinear(widths[-1], outputs, train_gain=True, init_std=0.05)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """(N, F) global mean of the last stage."""
        if self.training and x.device.type == "cpu" and not initializing(self):
            rows = max(1, PASS_PIXELS // (x.shape[2] * x.shape[3]))
            return torch.cat([self._features(part) for part in torch.split(x, rows)])
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        h = self.noise(2 * x - 1).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            h = stage(h)
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Out:
        features = self.features(x)
        return Out(features, self.output(features))


class Generator(nn.Module):
    """(N, Z) -> (N, C, S, S) in [0, 1]."""

    def __init__(self, latent: int, widths: list[int], start: int, channels: int) -> None:
        super().__init__()
        self.start = start
        self.dense = nn.Linear(latent, widths[0] * start * start, bias=False)
        self.norm = BatchNorm(widths[0], track=False)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 4, stride=2, padding=1, bias=False) for i, o in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(BatchNorm(o, track=False) for o in widths[1:])
        self.output = nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1)
        for layer in (self.dense, *self.ups, self.output):
            nn.init.normal_(layer.weight, std=0.02)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        h = self.dense(2 * z - 1).view(z.shape[0], -1, self.start, self.start)
        h = F.relu(self.norm(h)).contiguous(memory_format=torch.channels_last)
        for up, norm in zip(self.ups, self.norms, strict=True):
            h = F.relu(norm(up(h)))
        return (self.output(h).tanh() + 1) / 2


def _halvings(size: int) -> int:
    """How often the side is halved until at most 8 pixels are left. Raises ConfigError where it cannot be."""
    halvings = 0
    while size > 8:
        if size % 2:
            raise ConfigError(
                f"`data.image_size` leaves {size} pixels after {halvings} halvings, which net.family 'compact' cannot halve; "
                "use 28, 32, 64 or 128"
            )
        size //= 2
        halvings += 1
    return halvings


def _scaled(width: float, channels: int) -> int:
    return max(8, round(channels * width))


def classifier(problem: Problem, outputs: int) -> Classifier:
    halvings = _halvings(problem.image.image_size)
    widths = [_scaled(problem.net.width, min(32 << i, 128)) for i in range(halvings)] + [_scaled(problem.net.width, 128)]
    return Classifier(problem.image.channels, widths, outputs, problem.net.noise)


def generator(problem: Problem) -> Generator:
    ups = max(2, _halvings(problem.image.image_size))
    start = problem.image.image_size >> ups
    widths = [_scaled(problem.net.width, min(64 << i, 256)) for i in range(ups)][::-1]
    return Generator(problem.net.latent_dim, widths, start, problem.image.channels)
