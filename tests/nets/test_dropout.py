"""Dropout from the bank of normals: the share that falls, the mean that stays, layout and randomness."""

from __future__ import annotations

import pytest
import torch

from ssgan.nets.layers import Dropout


@pytest.mark.parametrize("p", [0.15, 0.5])
def test_a_share_p_falls_and_the_others_are_divided_by_one_minus_p(p: float) -> None:
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(200, 16, 14, 14))
    kept = y[y != 0]
    sigma = (p * (1 - p) / y.numel()) ** 0.5
    assert abs((y == 0).double().mean().item() - p) < 5 * sigma
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


def test_nothing_falls_in_evaluation_or_at_zero() -> None:
    x = torch.randn(4, 3, 5, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_every_pass_draws_anew_and_a_seed_repeats_it() -> None:
    layer, x = Dropout(0.5), torch.ones(4, 8, 6, 6)
    torch.manual_seed(1)
    first, second = layer(x), layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_values_of_one_pass_are_independent_in_either_layout() -> None:
    """Neighbors in batch, channel and space fall independently of each other."""
    torch.manual_seed(2)
    for layout in (torch.contiguous_format, torch.channels_last):
        y = Dropout(0.5)(torch.ones(64, 16, 12, 12).contiguous(memory_format=layout))
        assert y.is_contiguous(memory_format=layout)
        fell = (y == 0).double() - 0.5
        for dim in range(4):
            n = fell.size(dim)
            product = fell.narrow(dim, 0, n - 1) * fell.narrow(dim, 1, n - 1)
            assert abs(product.mean().item()) < 5 * 0.25 / product.numel() ** 0.5


def test_the_gradient_is_that_of_the_mask() -> None:
    torch.manual_seed(3)
    x = torch.randn(10, 4, 3, 3, requires_grad=True)
    y = Dropout(0.25)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, torch.where(y == 0, 0.0, 1 / 0.75))
