"""The engine: freezing, updating, and stopping on a number that is not finite."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from ssgan.config import ImageSpec, MethodConfig, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.distributed import rank
from ssgan.core.method import Adam, Phase, SemiSupervisedMethod
from ssgan.errors import NonFiniteError, TrainingError
from ssgan.nets.weight_norm import WeightNormLinear
from ssgan.training import finite
from ssgan.training.finite import Watch
from ssgan.training.optimizers import MuonAdam, make_optimizers
from ssgan.training.step import only, run_step
from tests.support.ranks import run_ranks


class Toy(SemiSupervisedMethod):
    """Two scalar networks a and b; phase one pulls a towards b, phase two pulls b towards 3."""

    classifier = "a"

    def __init__(self, poison: str = "") -> None:
        super().__init__(MethodConfig(), Problem(ImageSpec(1, 1, "fit"), 1, NetConfig()))
        self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
        self.nets.update({"a": self.a, "b": self.b})
        self.poison = poison
        self.calls: list[str] = []

    def phases(self) -> list[Phase]:
        adam = Adam(0.1)
        return [Phase("one", ("a",), self.one, adam), Phase("two", ("b",), self.two, adam, every=2)]

    def one(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.calls.append("one")
        distance = (self.a(batch.x_l) - self.b(batch.x_l)).square().mean()
        term = distance * float("nan") if self.poison == "term" else distance
        # sqrt has an infinite slope at 0: a finite loss with a gradient that is not finite
        total = term + (0 * self.a.weight).abs().sum().sqrt() if self.poison == "gradient" else term
        return {"distance": term, "total": total}

    def two(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.calls.append("two")
        return {"total": (self.b(batch.x_l) - 3).square().mean()}

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

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
        before = toy.a.weight.detach().clone()
        run_step(toy, optimizers, batch(step))
        moved.append(not torch.equal(before, toy.a.weight))
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
    twin = {k: v.detach().clone() for k, v in toy.a.named_parameters()}
    loss = ((twin["weight"] + twin["bias"]) - toy.b(torch.ones(1, 1)).detach()).requires_grad_()
    gradient = 2 * loss.item()
    run_step(toy, make_optimizers(toy), batch(1))
    # first step of Adam (Kingma & Ba 2015, algorithm 1): lr * g / (|g| + eps)
    expected = twin["weight"] - 0.1 * gradient / (abs(gradient) + 1e-8)
    torch.testing.assert_close(toy.a.weight, expected)


def test_learning_rate_factor_scales_the_update() -> None:
    torch.manual_seed(0)
    moves = []
    for factor in (1.0, 0.5, 0.0):
        torch.manual_seed(0)
        toy = Toy()
        before = toy.a.weight.detach().clone()
        run_step(toy, make_optimizers(toy), batch(1), lr_factor=factor)
        moves.append((toy.a.weight - before).abs().item())
    assert moves[1] == pytest.approx(moves[0] / 2)
    assert moves[2] == 0


@pytest.mark.parametrize("clip", [0.0, 2.0])
def test_a_gradient_is_shortened_where_the_method_says_so(clip: float) -> None:
    toy = Toy()
    toy.default_clip = clip
    one, optimizers = toy.phases()[0], make_optimizers(toy)

    def moments() -> float:
        return sum(float(optimizers[one.name].state[p]["exp_avg_sq"]) for p in toy.a.parameters())

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
    toy.b.bias.requires_grad_(False)
    with only(toy, toy.phases()[0]):
        assert not any(p.requires_grad for p in toy.b.parameters())
        assert all(p.requires_grad for p in toy.a.parameters())
    assert toy.b.weight.requires_grad
    assert not toy.b.bias.requires_grad


@pytest.mark.parametrize(("poison", "word"), [("term", "'distance'"), ("gradient", "a gradient")])
def test_stops_at_a_number_that_is_not_finite(poison: str, word: str) -> None:
    toy = Toy(poison)
    before = toy.a.weight.detach().clone()
    with pytest.raises(TrainingError, match=r"step 7: .*phase 'one'") as caught:
        run_step(toy, make_optimizers(toy), batch(7))
    assert word in str(caught.value)
    assert torch.equal(before, toy.a.weight), "parameters must stay as they were"


def test_a_watch_is_not_asked_until_it_is_looked_at() -> None:
    toy, watch = Toy(), Watch()
    optimizers = make_optimizers(toy)
    run_step(toy, optimizers, batch(6), watch=watch)
    watch.look()
    before = [p.detach().clone() for p in toy.nets.parameters()]
    toy.poison = "term"
    run_step(toy, optimizers, batch(7), watch=watch)
    toy.poison = ""
    for step in (8, 9):  # 8: phase two, which nothing ails
        run_step(toy, optimizers, batch(step), watch=watch)
    after = list(toy.nets.parameters())
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True)), "the last good parameters stay"
    with pytest.raises(NonFiniteError, match=r"^step 7: the term 'distance' and 'total' of phase 'one' is not finite"):
        watch.look()


def test_a_good_look_forgets_what_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, watch, asked = Toy(), Watch(), list[int]()
    optimizers = make_optimizers(toy)

    def summed(flags: torch.Tensor) -> torch.Tensor:
        asked.append(len(flags))
        return flags

    monkeypatch.setattr(finite, "summed", summed)
    for step in range(4):  # phase two in every other step
        run_step(toy, optimizers, batch(step), watch=watch)
        if step % 2:
            watch.look()
    watch.look()
    assert asked == [3, 3]


@pytest.mark.parametrize("poison", [False, True])
def test_muon_keeps_the_last_good_weights_too(poison: bool) -> None:
    layer = WeightNormLinear(3, 2)
    muon = MuonAdam([layer], [layer.bias], lr=0.1, rate=0.02, fused=True)
    muon.found_inf = torch.tensor(float(poison))
    before = [layer.weight.detach().clone(), layer.bias.detach().clone()]
    for p in (layer.weight, layer.bias):
        p.grad = torch.full_like(p, float("nan") if poison else 1.0)
    muon.step()
    stayed = [torch.equal(a, b) for a, b in zip((layer.weight, layer.bias), before, strict=True)]
    assert stayed == [poison, poison]


def words_of_a_rank(poisoned: int) -> str:
    """Run on every rank; on one of them a term is not finite, and no gradient."""
    toy, watch = Toy(), Watch()
    b = batch(1)
    optimizers = make_optimizers(toy)
    real = toy.one

    def one(b: Batch) -> dict[str, torch.Tensor]:
        infinite = math.inf if rank() == poisoned else 0.0
        return {name: value + infinite for name, value in real(b).items()}

    toy.one = one  # type: ignore[method-assign,assignment]
    run_step(toy, optimizers, b, watch=watch)
    with pytest.raises(NonFiniteError) as caught:
        watch.look()
    return str(caught.value)


def test_all_ranks_stop_where_one_has_to(tmp_path: Path) -> None:
    words = run_ranks(words_of_a_rank, 2, tmp_path, 1)
    assert words[0].startswith("step 1: a gradient (of this worker or of another one) of phase 'one' is not finite")
    assert words[1].startswith("step 1: the term 'distance' and 'total' of phase 'one' is not finite")


def test_a_gradient_that_lies_otherwise_than_its_weight_moves_the_right_numbers() -> None:
    """The weight of a convolution in channels-last, whose gradient comes in the usual order."""
    toy, start = Toy(), torch.zeros(2, 3, 2, 2)
    toy.a.weight = nn.Parameter(start.to(memory_format=torch.channels_last))
    toy.a.register_parameter("bias", None)
    signs = torch.where(torch.rand(start.shape, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    toy.one = lambda batch: {"total": (toy.a.weight.contiguous() * signs).sum()}  # type: ignore[method-assign]
    run_step(toy, make_optimizers(toy), batch(1))
    torch.testing.assert_close(toy.a.weight.detach(), -0.1 * signs)
