"""PixelCNN++: a distribution over grey levels, in which a pixel is told by the pixels before it and by no other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ssgan.nets.pixelcnn import PixelCNN, log_likelihood, mixture_size
from ssgan.nets.weight_norm import data_dependent_init

LEVELS = 2 * torch.arange(256) / 255 - 1


def random_parameters(n: int, channels: int, mixtures: int, log_scale: float, spread: float = 1.0) -> torch.Tensor:
    """(n, P, 1, 1): the same for all n, means all over the range and beyond."""
    p = spread * torch.randn(1, mixture_size(channels, mixtures), 1, 1, generator=torch.Generator().manual_seed(4))
    p[:, mixtures + channels * mixtures : mixtures + 2 * channels * mixtures] += log_scale
    return p.expand(n, -1, -1, -1)


@pytest.mark.parametrize("log_scale", [-9.0, -4.0, -1.0, 2.0])
def test_the_256_levels_of_a_pixel_have_a_probability_of_1(log_scale: float) -> None:
    log_p = log_likelihood(LEVELS.view(256, 1, 1, 1), random_parameters(256, 1, 3, log_scale), 3)
    assert log_p.double().exp().sum().item() == pytest.approx(1.0, abs=1e-4)


def mass_by_formula(level: int, mean: float, scale: float) -> float:
    """Difference of the distribution function of a logistic, in double precision (Salimans et al. 2017, eq. 2)."""

    def below(edge: float) -> float:
        return 0.5 * (1 + math.tanh((edge - mean) / scale / 2))

    lower = 0.0 if level == 0 else below((2 * level - 1) / 255 - 1)
    return (1.0 if level == 255 else below((2 * level + 1) / 255 - 1)) - lower


@pytest.mark.parametrize("levels", [(0,), (255,), (17,), (0, 40, 255), (255, 200, 0), (3, 128, 131)])
def test_likelihood_is_the_formula(levels: tuple[int, ...]) -> None:
    channels, mixtures = len(levels), 2
    p = random_parameters(1, channels, mixtures, log_scale=-1.5, spread=0.5)
    numbers = p.flatten().double().numpy()
    weights, numbers = np.exp(numbers[:mixtures]), numbers[mixtures:]
    means, scales, coefficients = np.split(numbers, [channels * mixtures, 2 * channels * mixtures])
    means, scales = means.reshape(channels, mixtures), np.exp(scales.reshape(channels, mixtures))
    c = np.tanh(coefficients.reshape(-1, mixtures))
    x = [2 * level / 255 - 1 for level in levels]
    expected = 0.0
    for m in range(mixtures):
        mass = mass_by_formula(levels[0], means[0, m], scales[0, m])
        if channels == 3:
            mass *= mass_by_formula(levels[1], means[1, m] + c[0, m] * x[0], scales[1, m])
            mass *= mass_by_formula(levels[2], means[2, m] + c[1, m] * x[0] + c[2, m] * x[1], scales[2, m])
        expected += weights[m] / weights.sum() * mass
    found = log_likelihood(torch.tensor(x).view(1, channels, 1, 1), p, mixtures)
    assert found.item() == pytest.approx(math.log(expected), abs=1e-3)


def test_likelihood_has_a_slope_between_levels_and_is_finite_far_from_every_mean() -> None:
    p = random_parameters(1, 1, 2, log_scale=-2.0).double()
    x = torch.full((1, 1, 1, 1), 0.3017, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: log_likelihood(value, p, 2), x)
    narrow = random_parameters(256, 1, 2, log_scale=-30.0)
    everywhere = LEVELS.view(256, 1, 1, 1).clone().requires_grad_()
    log_p = log_likelihood(everywhere, narrow, 2)
    assert torch.isfinite(log_p).all()
    assert torch.isfinite(torch.autograd.grad(log_p.sum(), everywhere)[0]).all()
    with pytest.raises(ValueError, match="does not fit"):
        log_likelihood(torch.zeros(1, 3, 1, 1), p, 2)


def living(channels: int, size: int = 8, blocks: int = 2) -> PixelCNN:
    """A network whose layers all say something."""
    torch.manual_seed(0)
    net = PixelCNN(channels, width=5, blocks=blocks, mixtures=2)
    data_dependent_init(net, torch.rand(20, channels, size, size))
    return net


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_is_told_by_those_before_it_only(channels: int) -> None:
    net = living(channels)
    x = (torch.rand(1, channels, 8, 8) * 2 - 1).requires_grad_()
    parameters = net.parameters_of(x).abs().sum((0, 1))
    for place in range(64):
        row, column = divmod(place, 8)
        (gradient,) = torch.autograd.grad(parameters[row, column], x, retain_graph=True)
        reach = gradient.abs().sum((0, 1))
        assert reach.flatten()[place:].sum() == 0, f"pixel {row}, {column} looks at itself or ahead"
        near = [(row, column - 1), (row - 1, column - 1), (row - 1, column), (row - 1, column + 1)]
        assert all(reach[i, j] > 0 for i, j in near if i >= 0 and 0 <= j < 8), f"pixel {row}, {column} misses a neighbor"


def test_the_last_pixel_looks_far_back_through_the_coarse_half() -> None:
    net = living(1, size=16, blocks=1)  # the fine blocks alone see 70 pixels
    x = (torch.rand(1, 1, 16, 16) * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(net.parameters_of(x).abs().sum((0, 1))[-1, -1], x)
    assert (gradient != 0).sum() > 240


def test_learns_digits() -> None:
    images = torch.from_numpy(load_digits().images.astype(np.float32) / 16).unsqueeze(1)
    images = (images * 255).round() / 255
    torch.manual_seed(0)
    net = PixelCNN(1, width=8, blocks=1, mixtures=5)
    data_dependent_init(net, images[:100])
    held_out = images[-200:]

    def bits() -> float:
        with torch.no_grad():
            return -net(held_out).mean().item() / 64 / math.log(2)

    optimizer, untrained = torch.optim.Adam(net.parameters(), lr=3e-3), bits()
    for step in range(40):
        loss = -net(images[30 * step % 1500 :][:30]).mean() / 64
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert bits() < min(4.2, untrained - 0.6), "8 bits are those of an image of which nothing is known"
