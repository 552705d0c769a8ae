"""Two circles of points, one class each, of which a handful is labeled (the 2-D case study of Dai et al. 2017, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ssgan.config import ImageSpec
from ssgan.core.seeds import fold

POINT = ImageSpec(channels=2, image_size=1, resize="fit")  # to the methods, a point is an image of two channels and one pixel
RADII = (0.42, 0.21)  # of class 0 and of class 1, around (0.5, 0.5)
NOISE = 0.015  # standard deviation of a coordinate
TRAIN, TEST = 1000, 4000  # points


@dataclass(frozen=True)
class Circles:
    """Training and test points, each (N, 2, 1, 1)."""

    x: Tensor  # all training points: the unlabeled set
    x_l: Tensor
    y_l: Tensor  # (L,) int64
    x_test: Tensor
    y_test: Tensor


def draw(labels: int, seed: int) -> Circles:
    """The circles of a seed. ``labels`` of the training points, at random angles, the classes in turn, are labeled."""
    x, y = _points(TRAIN, fold(seed, "circles", "train"))
    x_test, y_test = _points(TEST, fold(seed, "circles", "test"))
    return Circles(x, x[:labels], y[:labels], x_test, y_test)


def _points(n: int, seed: int) -> tuple[Tensor, Tensor]:
    random = np.random.Generator(np.random.PCG64(seed))
    y = np.arange(n) % len(RADII)
    angle = random.uniform(0, 2 * math.pi, n)
    x = np.array(RADII)[y, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = 0.5 + x + random.normal(0, NOISE, (n, 2))
    return torch.tensor(x, dtype=torch.float32).view(n, *POINT.shape), torch.tensor(y)


def on_a_circle(x: Tensor) -> float:
    """Share of the points (N, 2, 1, 1) that lie within three standard deviations of a circle."""
    radius = (x.flatten(1) - 0.5).norm(dim=1)
    distance = (radius[:, None] - torch.tensor(RADII)).abs().amin(1)
    return float((distance < 3 * NOISE).float().mean())
