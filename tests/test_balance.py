"""Prices of classes."""

from __future__ import annotations

import pytest
import torch

from ssgan.players.balance import ClassBalance


def settled(logits: torch.Tensor, tolerance: float, rate: float = 0.3, steps: int = 2000) -> ClassBalance:
    balance = ClassBalance(logits.shape[1])
    for _ in range(steps):
        balance.follow(balance(logits).mean(0), rate, tolerance)
    return balance


def one_sided(sure: float) -> torch.Tensor:
    """300 answers in three classes; half of class 2 is said to be class 1, more or less surely."""
    logits = torch.eye(3).repeat_interleave(100, dim=0) * 2 * sure
    logits[200:250] = torch.tensor([0.0, 1.0, 0.0]) * sure
    logits[200:250, 2] += torch.linspace(0, 0.9, 50) * sure
    return logits


@pytest.mark.parametrize("sure", [5.0, 40.0])
def test_every_class_gets_its_share_however_sure_the_answers(sure: float) -> None:
    logits = one_sided(sure)
    assert logits.argmax(1).bincount().tolist() == [100, 150, 50]
    balance = settled(logits, tolerance=0.0)
    torch.testing.assert_close(balance(logits).mean(0), torch.full((3,), 1 / 3), atol=0.01, rtol=0)
    moved = balance(logits).argmax(1) != logits.argmax(1)
    assert moved[200:250].sum() >= 45, "the answers nearest to class 2 are the ones that change"
    assert not moved[:200].any()


def test_within_the_tolerance_answers_stay() -> None:
    logits = torch.eye(3)[[0] * 105 + [1] * 110 + [2] * 85] * 10
    balance = settled(logits, tolerance=0.2)
    assert float(balance.prices.abs().max()) == 0
    assert float(settled(logits, tolerance=0.05).prices.abs().max()) > 0.1


def test_prices_are_taken_off_the_logits() -> None:
    balance = ClassBalance(3)
    balance.prices.copy_(torch.tensor([1.0, 0.0, -1.0]))
    p = torch.tensor([0.2, 0.3, 0.5])
    priced = p * torch.exp(torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(balance(p.log()[None])[0], priced / priced.sum())
    assert balance(torch.zeros(2, 3, dtype=torch.bfloat16)).dtype == torch.float32


def test_rate_zero_changes_nothing() -> None:
    assert float(settled(one_sided(5.0), tolerance=0.0, rate=0.0, steps=50).prices.abs().max()) == 0
