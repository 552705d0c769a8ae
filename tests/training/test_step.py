"""The engine: freezing, updating, and stopping on a number that is not finite."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ssgan.config import MethodConfig
from ssgan.core.batch import Batch
from ssgan.core.method import Adam, Phase
from ssgan.errors import TrainingError
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import only, run_step


class Toy:
    """Two scalar networks a and b; phase one pulls a towards b, phase two pulls b towards 3."""

    def __init__(self, poison: str = "") -> None:
        self.nets = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
        self.config = MethodConfig()
        self.classifier, self.gradient_clip = "a", 0.0
        self.poison = poison
        self.calls: list[str] = []

    def phases(self) -> list[Phase]:
        adam = Adam(0.1)
        return [Phase("one", ("a",), self.one, adam), Phase("two", ("b",), self.two, adam, every=2)]

    def one(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.calls.append("one")
        distance = (self.nets["a"](batch.x_l) - self.nets["b"](batch.x_l)).square().mean()
        term = distance * float("nan") if self.poison == "term" else distance
        # sqrt has an infinite slope at 0: a finite loss with a gradient that is not finite
        total = term + (0 * self.nets["a"].weight).abs().sum().sqrt() if self.poison == "gradient" else term
        return {"distance": term, "total": total}

    def two(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.calls.append("two")
        return {"total": (self.nets["b"](batch.x_l) - 3).square().mean()}

    def after_step(self, batch: Batch) -> None:
        self.calls.append("after")


def batch(step: int) -> Batch:
    x = torch.ones(4, 1)
    return Batch(x, torch.zeros(4, dtype=torch.int64), x, x, step, 0)


def test_phases_run_in_order_and_as_often_as_they_say() -> None:
    toy = Toy()
    optimizers = make_optimizers(toy)
    for step in range(3):
        run_step(toy, optimizers, batch(step))
    assert toy.calls == ["one", "two", "after", "one", "after", "one", "two", "after"]


def test_a_phase_runs_from_its_start_up_to_its_stop() -> None:
    toy = Toy()
    one = Phase("one", ("a",), toy.one, Adam(0.1), start=1, stop=3)
    toy.phases = lambda: [one]  # type: ignore[method-assign]
    optimizers, moved = make_optimizers(toy), []
    for step in range(5):
        before = toy.nets["a"].weight.detach().clone()
        run_step(toy, optimizers, batch(step))
        moved.append(not torch.equal(before, toy.nets["a"].weight))
    assert moved == [False, True, True, False, False]
    assert [Phase("p", (), toy.one, Adam(0.1), every=2, stop=3).due(step) for step in range(5)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_update_equals_adam_by_hand() -> None:
    toy = Toy()
    twin = {k: v.detach().clone() for k, v in toy.nets["a"].named_parameters()}
    loss = ((twin["weight"] + twin["bias"]) - toy.nets["b"](torch.ones(1, 1)).detach()).requires_grad_()
    gradient = 2 * loss.item()
    run_step(toy, make_optimizers(toy), batch(1))
    # first step of Adam (Kingma & Ba 2015, algorithm 1): lr * g / (|g| + eps)
    expected = twin["weight"] - 0.1 * gradient / (abs(gradient) + 1e-8)
    torch.testing.assert_close(toy.nets["a"].weight, expected)


def test_learning_rate_factor_scales_the_update() -> None:
    torch.manual_seed(0)
    moves = []
    for factor in (1.0, 0.5, 0.0):
        torch.manual_seed(0)
        toy = Toy()
        before = toy.nets["a"].weight.detach().clone()
        run_step(toy, make_optimizers(toy), batch(1), lr_factor=factor)
        moves.append((toy.nets["a"].weight - before).abs().item())
    assert moves[1] == pytest.approx(moves[0] / 2)
    assert moves[2] == 0


@pytest.mark.parametrize("clip", [0.0, 2.0])
def test_a_gradient_is_shortened_where_the_method_says_so(clip: float) -> None:
    toy = Toy()
    toy.gradient_clip = clip
    one, optimizers = toy.phases()[0], make_optimizers(toy)

    def moments() -> float:
        return sum(float(optimizers[one.name].state[p]["exp_avg_sq"]) for p in toy.nets["a"].parameters())

    run_step(toy, optimizers, batch(1))
    first = moments()  # (1 - beta2) |g|^2
    far = batch(3)
    far.x_l.mul_(1000)
    run_step(toy, optimizers, far)
    beta2 = one.optimizer.betas[1]
    ratio = ((moments() - beta2 * first) / first) ** 0.5  # length of the second gradient, by that of the first
    assert ratio == pytest.approx(2, rel=1e-3) if clip else ratio > 100


def test_only_restores_what_was_trainable() -> None:
    toy = Toy()
    toy.nets["b"].bias.requires_grad_(False)
    with only(toy, toy.phases()[0]):
        assert not any(p.requires_grad for p in toy.nets["b"].parameters())
        assert all(p.requires_grad for p in toy.nets["a"].parameters())
    assert toy.nets["b"].weight.requires_grad
    assert not toy.nets["b"].bias.requires_grad


@pytest.mark.parametrize(("poison", "word"), [("term", "'distance'"), ("gradient", "a gradient")])
def test_stops_at_a_number_that_is_not_finite(poison: str, word: str) -> None:
    toy = Toy(poison)
    before = toy.nets["a"].weight.detach().clone()
    with pytest.raises(TrainingError, match=r"step 7: .*phase 'one'") as caught:
        run_step(toy, make_optimizers(toy), batch(7))
    assert word in str(caught.value)
    assert torch.equal(before, toy.nets["a"].weight), "parameters must stay as they were"
