"""The 32x32 networks of Improved GAN (Salimans et al. 2016) for CIFAR-10 and SVHN, as in the authors' code.

Classifier: nine weight-normalized convolutions (96/192 channels at width 1; the SVHN net is width 2/3), leaky ReLU 0.2,
dropout 0.2 on the input and 0.5 between the stages, global mean. Generator: Z -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32,
batch norm without scale, ReLU, last layer weight-normalized, tanh.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.config import Problem
from ssgan.errors import ConfigError
from ssgan.nets import layers
from ssgan.nets.layers import BatchNorm, Out
from ssgan.nets.weight_norm import WeightNormConv2d, WeightNormConvTranspose2d, WeightNormLinear

CONVOLUTIONAL = True
LEAK = 0.2
SIDE = 32  # pixels


class Classifier(layers.Classifier):
    """(N, C, 32, 32) in [0, 1] -> Out(features (N, b), logits (N, outputs))."""

    def __init__(self, channels: int, a: int, b: int, outputs: int, noise: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                WeightNormConv2d(channels, a, 3, padding=1),
                WeightNormConv2d(a, a, 3, padding=1),
                WeightNormConv2d(a, a, 3, padding=1, stride=2),
                WeightNormConv2d(a, b, 3, padding=1),
                WeightNormConv2d(b, b, 3, padding=1),
                WeightNormConv2d(b, b, 3, padding=1, stride=2),
                WeightNormConv2d(b, b, 3),
                WeightNormConv2d(b, b, 1),
                WeightNormConv2d(b, b, 1),
            ]
        )
        self.dropouts = nn.ModuleDict({str(at): nn.Dropout(noise * p) for at, p in ((0, 0.2), (3, 0.5), (6, 0.5))})
        self.output = WeightNormLinear(b, outputs, train_gain=True, init_std=0.05, init_scale=0.1)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """(N, F) global mean of the last convolution."""
        h = (2 * x - 1).contiguous(memory_format=torch.channels_last)
        for i, conv in enumerate(self.convs):
            if str(i) in self.dropouts:
                h = self.dropouts[str(i)](h)
            h = F.leaky_relu(conv(h), LEAK, inplace=True)
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Out:
        features = self.features(x)
        return Out(features, self.output(features))


class Generator(nn.Module):
    """(N, Z) -> (N, C, 32, 32) in [0, 1]. Batch statistics always."""

    def __init__(self, latent: int, widths: list[int], channels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(latent, 4 * 4 * widths[0], bias=False)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 5, stride=2, padding=2, output_padding=1, bias=False)
            for i, o in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(BatchNorm(o, scale=False, track=False, eps=1e-6) for o in widths)
        self.output = WeightNormConvTranspose2d(widths[-1], channels, init_scale=0.1)
        for layer in (self.dense, *self.ups):
            nn.init.normal_(layer.weight, std=0.05)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        h = self.dense(z).view(z.shape[0], -1, 4, 4)
        h = F.relu(self.norms[0](h)).contiguous(memory_format=torch.channels_last)
        for i, up in enumerate(self.ups):
            h = F.relu(self.norms[i + 1](up(h)))
        return (self.output(h).tanh() + 1) / 2


def _scaled(problem: Problem, channels: int) -> int:
    if problem.image.image_size != SIDE:
        raise ConfigError(
            f"`data.image_size` is {problem.image.image_size}, but net.family 'improved_gan' is made for {SIDE}; "
            f"set data.image_size to {SIDE} or net.family to 'compact'"
        )
    return max(8, round(channels * problem.net.width))


def classifier(problem: Problem, outputs: int) -> Classifier:
    return Classifier(problem.image.channels, _scaled(problem, 96), _scaled(problem, 192), outputs, problem.net.noise)


def generator(problem: Problem) -> Generator:
    widths = [_scaled(problem, c) for c in (512, 256, 128)]
    return Generator(problem.net.latent_dim, widths, problem.image.channels)
