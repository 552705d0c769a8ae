"""Label-preserving augmentation of a batch, on the device, seeded, the same for any number of ranks.

Letters: N images of this rank, C channels, S pixels per side.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ssgan.config import AugmentConfig
from ssgan.core.distributed import global_rand
from ssgan.core.seeds import fold


def augment(x: Tensor, config: AugmentConfig, seed: int) -> Tensor:
    """Shift, mirror, rotate and scale each image at random: (N, C, S, S) in [0, 1] -> the same shape, black outside.

    Shifts are whole pixels (nothing is blurred) when neither rotation nor scaling is asked for.
    """
    if x.shape[0] == 0 or config == AugmentConfig():
        return x
    draws = global_rand(x.shape[0], 5, fold(seed, "augment"), x.device)
    if config.flip:
        x = torch.where((draws[:, 0] < 0.5).view(-1, 1, 1, 1), x.flip(3), x)
    shift = ((2 * config.shift_px + 1) * draws[:, 1:3]).floor().clamp(max=2 * config.shift_px) - config.shift_px
    if config.rotate_degrees == 0 and config.scale == 0:
        return _shifted(x, shift, config.shift_px)
    angle = (2 * draws[:, 3] - 1) * math.radians(config.rotate_degrees)
    scale = 1 + (2 * draws[:, 4] - 1) * config.scale
    return _affine(x, shift, angle, scale)


def _shifted(x: Tensor, shift: Tensor, reach: int) -> Tensor:
    """Shift by whole pixels: (N, 2) offsets in [-reach, reach], rows then columns."""
    if reach == 0:
        return x
    n, c, size, _ = x.shape
    padded = F.pad(x, (reach, reach, reach, reach))
    grid = torch.arange(size, device=x.device)
    rows = (grid + reach - shift[:, :1].long()).view(n, 1, size, 1)
    columns = (grid + reach - shift[:, 1:].long()).view(n, 1, 1, size)
    image = torch.arange(n, device=x.device).view(n, 1, 1, 1)
    channel = torch.arange(c, device=x.device).view(1, c, 1, 1)
    return padded[image, channel, rows, columns]


def _affine(x: Tensor, shift: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Rotate by ``angle`` (N,) radians, scale by ``scale`` (N,), shift by pixels (N, 2), with bilinear sampling."""
    cos, sin = angle.cos() / scale, angle.sin() / scale
    offset = -2 * shift / x.shape[-1]
    theta = torch.stack(
        [torch.stack([cos, -sin, offset[:, 1]], 1), torch.stack([sin, cos, offset[:, 0]], 1)],
        1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


# Of ``strong``: as far as digits and photos keep their class. Shares are of the image's side.
ROTATE_DEGREES, SCALE, SHIFT, CONTRAST, BRIGHTNESS, CUTOUT = 15.0, 0.2, 0.125, 0.5, 0.25, 0.4


def strong(x: Tensor, seed: int, *, stroke: bool = False) -> Tensor:
    """Distort each image heavily: affine map, contrast, brightness, and a gray square over a part of it.

    (N, C, S, S) in [0, 1] -> the same shape and range. In the place of RandAugment and cutout in Sohn et al. 2020, section 2.3.
    With ``stroke`` half of the images are crossed by a line first. Of feature vectors, (N, P): noise and dropout.
    """
    if x.shape[0] == 0:
        return x
    if x.ndim == 2:
        return _noisy_features(x, fold(seed, "strong"))
    if stroke:
        x = crossed(x, seed)
    size = x.shape[-1]
    draws = 2 * global_rand(x.shape[0], 8, fold(seed, "strong"), x.device) - 1
    x = _affine(x, SHIFT * size * draws[:, :2], math.radians(ROTATE_DEGREES) * draws[:, 2], 1 + SCALE * draws[:, 3])
    contrast, brightness = (draws[:, i].view(-1, 1, 1, 1) for i in (4, 5))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = ((x - mean) * (1 + CONTRAST * contrast) + mean + BRIGHTNESS * brightness).clamp(0, 1)
    center = (draws[:, 6:8] + 1) / 2 * size
    pixels = torch.arange(size, device=x.device) + 0.5
    rows, columns = ((pixels - center[:, i : i + 1]).abs() < CUTOUT * size / 2 for i in (0, 1))
    return torch.where((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.5, x)


FEATURE_NOISE, FEATURE_DROPOUT = 0.5, 0.2  # of vectors of length sqrt(P): root mean square 1


def _noisy_features(x: Tensor, seed: int) -> Tensor:
    """(N, P) -> the same with Gaussian noise, and a share of the values set to 0."""
    uniform = global_rand(x.shape[0], 2 * x.shape[1], seed, x.device)
    noise = torch.special.ndtri(uniform[:, : x.shape[1]].clamp(1e-6, 1 - 1e-6))
    return (x + FEATURE_NOISE * noise) * (uniform[:, x.shape[1] :] >= FEATURE_DROPOUT)


# Of a stroke, shares of the image's side: where its middle may lie, how long and wide it is.
STROKED, STROKE_MIDDLE, STROKE_LENGTH, STROKE_WIDTH = 0.5, (0.3, 0.7), (0.175, 0.525), (0.06, 0.12)


def crossed(x: Tensor, seed: int) -> Tensor:
    """(N, C, S, S) -> the same with a straight line through half of the images, as bright as the brightest pixel of each."""
    size = x.shape[-1]
    draws = global_rand(x.shape[0], 6, fold(seed, "stroke"), x.device)

    def between(bounds: tuple[float, float], i: int) -> Tensor:
        return size * (bounds[0] + (bounds[1] - bounds[0]) * draws[:, i]).view(-1, 1, 1)

    pixels = torch.arange(size, device=x.device) + 0.5
    down = pixels.view(1, -1, 1) - between(STROKE_MIDDLE, 0)
    right = pixels.view(1, 1, -1) - between(STROKE_MIDDLE, 1)
    angle = (math.pi * draws[:, 2]).view(-1, 1, 1)
    along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    covered = _within(along, between(STROKE_LENGTH, 3)) * _within(across, between(STROKE_WIDTH, 4))
    covered = covered * (draws[:, 5] < STROKED).view(-1, 1, 1)
    return torch.lerp(x, x.amax((1, 2, 3), keepdim=True).expand_as(x), covered.unsqueeze(1))


def _within(distance: Tensor, width: Tensor) -> Tensor:
    """Share of a pixel, whose middle is that far from the middle of a band, that the band covers."""
    return (width / 2 - distance.abs() + 0.5).clamp(0, 1)
