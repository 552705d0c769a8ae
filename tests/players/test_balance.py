"""Prices of classes."""

from __future__ import annotations

import pytest
import torch

from ssgan.players.balance import PRICE_DECAY, ClassBalance


def settled(logits: torch.Tensor, tolerance: float, rate: float = 0.3, steps: int = 2000) -> ClassBalance:
    balance = ClassBalance(logits.shape[1])
    for _ in range(steps):
        balance.update(balance(logits).mean(0), rate, tolerance)
    return balance


def one_sided(sure: float) -> torch.Tensor:
    """300 answers in three classes; half of class 2 is said to be class 1, more or less surely."""
    logits = torch.eye(3).repeat_interleave(100, dim=0) * 2 * sure
    logits[200:250] = torch.tensor([0.0, 1.0, 0.0]) * sure
    logits[200:250, 2] += torch.linspace(0, 0.9, 50) * sure
    return logits


@pytest.mark.parametrize(("sure", "most"), [(5.0, 0.1), (40.0, 0.35)])
def test_shares_even_out_until_as_much_is_forgotten_as_is_added(sure: float, most: float) -> None:
    logits = one_sided(sure)
    assert logits.argmax(1).bincount().tolist() == [100, 150, 50]  # an excess of 0.5 for class 1
    balance = settled(logits, tolerance=0.02)
    excess = 3 * balance(logits).mean(0) - 1
    assert float(excess.abs().max()) < most
    prices = 0.3 / PRICE_DECAY * excess.sign() * (excess.abs() - 0.02).clamp(min=0)
    torch.testing.assert_close(balance.prices, prices - prices.mean(), atol=0.1, rtol=0.02)
    moved = balance(logits).argmax(1) != logits.argmax(1)
    assert not moved[:200].any()
    nearest = moved[200:250].nonzero().flatten()
    assert nearest.tolist() == list(range(50 - len(nearest), 50)), "the answers nearest to class 2 are the ones that change"
    assert len(nearest) >= 15


def test_chance_makes_no_class_pay() -> None:
    """Sizes as in MNIST, batches of 100, all answers right: nothing is to be mended, however long the run."""
    sizes = torch.tensor([9.87, 11.24, 9.93, 10.22, 9.74, 9.04, 9.86, 10.44, 9.75, 9.91])
    g, balance = torch.Generator().manual_seed(0), ClassBalance(10)
    for _ in range(4000):
        said = torch.multinomial(sizes, 100, replacement=True, generator=g)
        balance.update(said.bincount(minlength=10) / 100, 0.3, 0.2)
    assert float(balance.prices.abs().max()) < 0.5


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
