"""PixelCNN++ (Salimans et al. 2017, arXiv:1701.05517): log p of an image, pixel by pixel, rows from the top.

It is a building block, not a family: the density model of ``bad_gan`` for generated images, not a player of a GAN.

Two stacks of features are computed side by side. At pixel (i, j), ``above`` has seen the rows before i, ``left`` also the
pixels before j in row i; neither has seen the pixel itself, so the mixture that ``left`` gives for it is p(pixel | pixels
before). Half of the blocks work at half of the resolution, with skip connections across.

Letters: N images, C channels, S pixels per side, M components of the mixture, W width, P parameters of the mixture per pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.nets.weight_norm import WeightNormConv2d

HALF_LEVEL = 1 / 255  # half the distance of two gray levels, with 256 of them over [-1, 1]
LOWEST_LOG_SCALE = -7.0  # of a logistic, as in the authors' code
Stacks = tuple[Tensor, Tensor]  # above, left; both (N, W, S, S)


def concat_elu(x: Tensor) -> Tensor:
    """(N, W, S, S) -> (N, 2 W, S, S): elu of x and of -x, so that no sign is lost."""
    return F.elu(torch.cat([x, -x], dim=1))


class CausalConv(nn.Module):
    """A convolution that sees the rows up to its own (``kernel`` 2x3), or in its own row also no pixel to the right (2x2)."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, init_scale: float = 1.0) -> None:
        super().__init__()
        height, width = kernel
        self.padding = (1, 1, height - 1, 0) if width == 3 else (width - 1, 0, height - 1, 0)  # left, right, top, bottom
        self.conv = WeightNormConv2d(inputs, outputs, kernel, stride=stride, train_gain=True, init_scale=init_scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.padding))


class GatedBlock(nn.Module):
    """x + a * sigmoid(b), with (a, b) from two convolutions of x and a 1x1 convolution (``look``) of other features."""

    def __init__(self, width: int, kernel: tuple[int, int], other: int) -> None:
        super().__init__()
        self.first = CausalConv(2 * width, width, kernel)
        self.look = WeightNormConv2d(2 * other, width, 1, train_gain=True) if other else None
        self.second = CausalConv(2 * width, 2 * width, kernel, init_scale=0.1)  # a block begins close to the identity

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        hidden = self.first(concat_elu(x))
        if self.look is not None and other is not None:
            hidden = hidden + self.look(concat_elu(other))
        a, b = self.second(concat_elu(hidden)).chunk(2, dim=1)
        return x + a * torch.sigmoid(b)


class TwoStacks(nn.Module):
    """One block of each stack; ``left`` also sees ``above``, and on the way back both see the features of the way down."""

    def __init__(self, width: int, *, back: bool) -> None:
        super().__init__()
        self.above = GatedBlock(width, (2, 3), width if back else 0)
        self.left = GatedBlock(width, (2, 2), 2 * width if back else width)

    def forward(self, stacks: Stacks, skip: Stacks | None = None) -> Stacks:
        above = self.above(stacks[0], skip[0] if skip else None)
        return above, self.left(stacks[1], torch.cat([above, skip[1]], dim=1) if skip else above)


class Downsample(nn.Module):
    """Both stacks to half of the resolution: of the four fine positions of a coarse one it sees the first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.above = CausalConv(width, width, (2, 3), stride=2)
        self.left = CausalConv(width, width, (2, 2), stride=2)

    def forward(self, stacks: Stacks) -> Stacks:
        return self.above(stacks[0]), self.left(stacks[1])


class Upsample(nn.Module):
    """Both stacks back to twice the resolution: four fine positions from each coarse one (a transposed 2x2 convolution)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.above = WeightNormConv2d(width, 4 * width, 1, train_gain=True)
        self.left = WeightNormConv2d(width, 4 * width, 1, train_gain=True)

    def forward(self, stacks: Stacks) -> Stacks:
        return F.pixel_shuffle(self.above(stacks[0]), 2), F.pixel_shuffle(self.left(stacks[1]), 2)


class PixelCNN(nn.Module):
    """log p of images.

    Args:
        channels: C.
        width: W, features of each stack.
        blocks: per stack and resolution, on the way down; the way back has as many, and one more at full resolution.
        mixtures: M.
    """

    def __init__(self, channels: int, width: int, blocks: int, mixtures: int) -> None:
        super().__init__()
        seen = channels + 1  # a channel of ones tells the image from the zeros around it
        self.rows_before = CausalConv(seen, width, (2, 3))
        self.row_before = CausalConv(seen, width, (1, 3))
        self.column_before = CausalConv(seen, width, (2, 1))
        self.fine = nn.ModuleList(TwoStacks(width, back=False) for _ in range(blocks))
        self.to_coarse = Downsample(width)
        self.coarse = nn.ModuleList(TwoStacks(width, back=False) for _ in range(blocks))
        self.coarse_back = nn.ModuleList(TwoStacks(width, back=True) for _ in range(blocks))
        self.to_fine = Upsample(width)
        self.fine_back = nn.ModuleList(TwoStacks(width, back=True) for _ in range(blocks + 1))
        self.out = WeightNormConv2d(width, mixture_size(channels, mixtures), 1, train_gain=True, init_scale=0.1)
        self.mixtures = mixtures

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [0, 1] -> (N,) log p in nats. Differentiable in x, also between the gray levels."""
        # Half precision cannot hold a logistic as narrow as one gray level.
        with torch.autocast(x.device.type, enabled=False):
            x = 2 * x.float() - 1
            return log_likelihood(x, self.parameters_of(x), self.mixtures)

    def parameters_of(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [-1, 1] -> (N, P, S, S) parameters of the mixture at every pixel, given the pixels before."""
        stacks = self._first(x)
        skips = [stacks]
        for block in self.fine:
            skips.append(stacks := block(stacks))
        skips.append(stacks := self.to_coarse(stacks))
        for block in self.coarse:
            skips.append(stacks := block(stacks))
        stacks = skips.pop()
        for block in self.coarse_back:
            stacks = block(stacks, skips.pop())
        stacks = self.to_fine(stacks)
        for block in self.fine_back:
            stacks = block(stacks, skips.pop())
        return self.out(F.elu(stacks[1]))

    def _first(self, x: Tensor) -> Stacks:
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        left = _down(self.row_before(x)) + _right(self.column_before(x))
        return _down(self.rows_before(x)), left


def _down(x: Tensor) -> Tensor:
    """Every row becomes that of the row above: what is seen ends one row before."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


def _right(x: Tensor) -> Tensor:
    """Every column becomes that to its left: what is seen ends one column before."""
    return F.pad(x[:, :, :, :-1], (1, 0))


# --- the mixture -----------------------------------------------------------------------------------------------------


def mixture_size(channels: int, mixtures: int) -> int:
    """P: of each component a weight, and per channel a mean, a scale and coefficients for the channels before it."""
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


def log_likelihood(x: Tensor, parameters: Tensor, mixtures: int) -> Tensor:
    """Discretized mixture of logistics over 256 levels: (N, C, S, S) in [-1, 1], (N, P, S, S) -> (N,) in nats.

    Salimans et al. 2017, section 2.1 and 2.2: a level has the mass of the interval half a level to both sides of it, the
    first and the last level also all that lies beyond. The mean of a channel is shifted by multiples of the values of the
    channels before it, the multiples between -1 and 1. A value between two levels has the mass of the interval around it.
    """
    n, channels, height, width = x.shape
    if parameters.shape != (n, mixture_size(channels, mixtures), height, width):
        raise ValueError(f"parameters have shape {tuple(parameters.shape)}, which does not fit {tuple(x.shape)} images")
    sizes = [mixtures, channels * mixtures, channels * mixtures, channels * (channels - 1) // 2 * mixtures]
    weights, means, log_scales, coefficients = torch.split(parameters, sizes, dim=1)
    means = _shifted(x, means.reshape(n, channels, mixtures, height, width), coefficients.tanh())
    log_scales = log_scales.reshape(n, channels, mixtures, height, width).clamp_min(LOWEST_LOG_SCALE)
    masses = _log_mass(x.unsqueeze(2), means, log_scales).sum(1)  # (N, M, S, S)
    return torch.logsumexp(torch.log_softmax(weights, dim=1) + masses, dim=1).sum((1, 2))


def _shifted(x: Tensor, means: Tensor, coefficients: Tensor) -> Tensor:
    """(N, C, M, S, S) means, each with the values of the channels before it times their coefficients added."""
    mixtures = means.shape[2]
    parts = iter(torch.split(coefficients, mixtures, dim=1)) if coefficients.shape[1] else iter(())
    shifted = []
    for channel in range(means.shape[1]):
        mean = means[:, channel]
        for before in range(channel):
            mean = mean + next(parts) * x[:, before : before + 1]
        shifted.append(mean)
    return torch.stack(shifted, dim=1)


def _log_mass(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log of the mass of a logistic within half a level around x; of all below the first and above the last level.

    With s the sigmoid, s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), and a - b does not depend on x: exact where both are close
    to 0 or to 1, where the authors' code takes the density in the middle.
    """
    inverse = torch.exp(-log_scale)
    upper, lower = inverse * (x - mean + HALF_LEVEL), inverse * (x - mean - HALF_LEVEL)
    below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
    inside = below + above + torch.log(-torch.expm1(-2 * HALF_LEVEL * inverse))
    return torch.where(x < HALF_LEVEL - 1, below, torch.where(x > 1 - HALF_LEVEL, above, inside))
