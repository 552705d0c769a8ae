"""Statistics over ranks, and draws that do not depend on the number of ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ssgan.core import distributed
from ssgan.nets.layers import BatchNorm
from tests.support.ranks import run_ranks

N, D = 8, 3


def data() -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradient_of_a_batch_statistic() -> tuple[torch.Tensor, torch.Tensor]:
    """This rank's part of d/dw || mean(w x) ||^4, averaged over ranks; and the loss."""
    rank, world = distributed.rank(), distributed.world_size()
    x = data()[rank * N // world : (rank + 1) * N // world]
    w = torch.full((D,), 2.0, dtype=torch.float64, requires_grad=True)
    loss = distributed.batch_mean(x * w).square().sum().square()
    (gradient,) = torch.autograd.grad(loss, [w])
    distributed.average_([gradient])
    return gradient, loss.detach()


@pytest.mark.parametrize("world", [2, 4])
def test_batch_mean_has_the_gradient_of_the_global_batch(world: int, tmp_path: Path) -> None:
    expected = gradient_of_a_batch_statistic()
    for got in run_ranks(gradient_of_a_batch_statistic, world, tmp_path):
        torch.testing.assert_close(got, expected)


def gradient_of_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """This rank's rows, and d/dw of the mean over all rows i of sum_j (w x_i . w x_j)^3, averaged over ranks."""
    rank, world = distributed.rank(), distributed.world_size()
    w = torch.full((D,), 0.5, dtype=torch.float64, requires_grad=True)
    mine = data()[rank * N // world : (rank + 1) * N // world] * w
    everyone = distributed.rows_of_all_ranks(mine)
    (gradient,) = torch.autograd.grad((mine @ everyone.T).pow(3).sum(1).mean(), [w])
    distributed.average_([gradient])
    return everyone.detach(), gradient


@pytest.mark.parametrize("world", [2, 4])
def test_gathered_rows_have_the_gradient_of_the_global_batch(world: int, tmp_path: Path) -> None:
    expected = gradient_of_pairs()
    for got in run_ranks(gradient_of_pairs, world, tmp_path):
        torch.testing.assert_close(got, expected)


def batch_norm_part() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rank, world = distributed.rank(), distributed.world_size()
    norm = BatchNorm(D)
    x = data().float()[rank * N // world : (rank + 1) * N // world].requires_grad_()
    y = norm(x)
    y.pow(3).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad, torch.cat([norm.running_mean, norm.running_var])  # type: ignore[list-item]


def test_batch_norm_takes_global_statistics(tmp_path: Path) -> None:
    reference = torch.nn.BatchNorm1d(D)
    x = data().float().requires_grad_()
    y = reference(x)
    y.pow(3).sum().backward()
    parts = run_ranks(batch_norm_part, 2, tmp_path)
    torch.testing.assert_close(torch.cat([p[0] for p in parts]), y.detach())
    torch.testing.assert_close(torch.cat([p[1] for p in parts]), x.grad, atol=1e-5, rtol=1e-4)
    mean, variance = reference.running_mean, reference.running_var
    assert mean is not None
    assert variance is not None
    for p in parts:
        torch.testing.assert_close(p[2], torch.cat([mean, variance]))


@pytest.mark.parametrize(("scale", "bias"), [(True, True), (False, True), (True, False)])
def test_batch_norm_alone_equals_torch(scale: bool, bias: bool) -> None:
    x = data().float()
    expected = F.batch_norm(x, None, None, training=True)
    torch.testing.assert_close(BatchNorm(D, scale=scale, bias=bias, track=False)(x), expected)


def draw() -> torch.Tensor:
    return distributed.global_rand(6 // distributed.world_size(), 4, 123, torch.device("cpu"))


def test_global_draws_do_not_depend_on_the_ranks(tmp_path: Path) -> None:
    assert torch.equal(torch.cat(run_ranks(draw, 2, tmp_path)), draw())


def alone() -> tuple[int, int]:
    with distributed.solo():
        inside = distributed.world_size()
    return inside, distributed.world_size()


def test_solo(tmp_path: Path) -> None:
    assert run_ranks(alone, 2, tmp_path) == [(1, 2), (1, 2)]
