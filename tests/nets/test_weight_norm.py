"""Weight normalisation against the formula in torch's own operations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ssgan.nets.weight_norm import WeightNorm, WeightNormConv2d, WeightNormConvTranspose2d, WeightNormLinear


def randomised(layer: WeightNorm) -> WeightNorm:
    with torch.no_grad():
        layer.gain.uniform_(0.5, 2)
        layer.bias.normal_()
    return layer


def by_formula(layer: WeightNorm, x: Tensor) -> Tensor:
    """W_o = g_o V_o / ||V_o|| (Salimans & Kingma 2016, equation 2)."""
    if isinstance(layer, WeightNormLinear):
        return F.linear(x, (layer.gain / layer.weight.norm(dim=1))[:, None] * layer.weight, layer.bias)
    v = layer.weight
    if isinstance(layer, WeightNormConv2d):
        w = layer.gain.view(-1, 1, 1, 1) * v / v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        return F.conv2d(x, w, layer.bias, layer.stride, layer.padding)
    w = layer.gain.view(1, -1, 1, 1) * v / v.transpose(0, 1).flatten(1).norm(dim=1).view(1, -1, 1, 1)
    return F.conv_transpose2d(x, w, layer.bias, 2, 2, 1)


CASES = [
    (WeightNormLinear(7, 5, train_gain=True), (6, 7)),
    (WeightNormConv2d(3, 4, 3, padding=1, stride=2, train_gain=True), (2, 3, 8, 8)),
    (WeightNormConv2d(3, 4, (2, 3), train_gain=True), (2, 3, 8, 8)),
    (WeightNormConvTranspose2d(3, 4), (2, 3, 4, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=["linear", "conv", "oblong", "transposed"])
def test_output_and_gradients_are_those_of_the_formula(layer: WeightNorm, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    randomised(layer)
    x = torch.randn(shape, requires_grad=True)
    inputs = [x, layer.weight, layer.gain, layer.bias]
    results = []
    for forward in (layer, lambda x: by_formula(layer, x)):
        y = forward(x)
        results.append([y, *torch.autograd.grad(y.pow(3).mean(), inputs)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def test_linear_can_be_differentiated_twice() -> None:
    """Gradient penalties differentiate the gradient."""
    torch.manual_seed(0)
    layer = randomised(WeightNormLinear(4, 3, train_gain=True)).double()
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))
    penalties = []
    for forward in (layer, lambda x: by_formula(layer, x)):
        (g,) = torch.autograd.grad(forward(x).pow(2).sum(), [x], create_graph=True)
        penalties.append(torch.autograd.grad(g.square().sum(), [layer.weight, layer.gain]))
    for ours, expected in zip(*penalties, strict=True):
        torch.testing.assert_close(ours, expected)


def test_a_frozen_layer_still_passes_the_gradient_on() -> None:
    layer = WeightNormLinear(4, 3)
    for p in layer.parameters():
        p.requires_grad_(False)
    x = torch.randn(5, 4, requires_grad=True)
    (g,) = torch.autograd.grad(layer(x).sum(), [x])
    assert float(g.abs().sum()) > 0


def test_frozen_gain_is_no_parameter() -> None:
    assert {n for n, _ in WeightNormLinear(4, 3).named_parameters()} == {"weight", "bias"}
    assert "gain" in WeightNormLinear(4, 3).state_dict()


def test_bfloat16_is_near_float32() -> None:
    torch.manual_seed(0)
    layer = randomised(WeightNormLinear(64, 32, train_gain=True))
    x = torch.randn(16, 64, requires_grad=True)
    exact = torch.autograd.grad(layer(x).square().mean(), [x, layer.weight])
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.float32
    for near, g in zip(torch.autograd.grad(y.square().mean(), [x, layer.weight]), exact, strict=True):
        assert float((near - g).norm() / g.norm()) < 0.02
