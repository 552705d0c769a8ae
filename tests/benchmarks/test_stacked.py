"""Runs of one method as one stack learn what each of them learns alone, for every method that can be stacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.mnist.stacked import UNSTACKABLE, Stacked, require_stackable, stack_batches, stacked_optimizers
from ssgan import methods
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError
from ssgan.training import experiment
from ssgan.training.optimizers import hidden_weights, make_optimizers
from ssgan.training.step import run_step
from tests.support.data import config, context, run_of, short, write_splits
from tests.support.methods import stepped

LATE = 10  # a step at which every phase runs, by ``short``
STACKABLE = [name for name in stepped() if name not in UNSTACKABLE]


@pytest.fixture(scope="module")
def draws(tmp_path_factory: pytest.TempPathFactory) -> list[SplitFiles]:
    """Three data sets that differ in labels and images."""
    root = tmp_path_factory.mktemp("draws")
    return [write_splits(root / str(n), labeled=n, unlabeled=40 * n) for n in (6, 9, 12)]


def prepared(name: str, files: SplitFiles, family: str = "mlp", **options: Any) -> tuple[SemiSupervisedMethod, Batch]:
    """The method as a run begins, and a late batch of it."""
    c = config(method=short(name, **options), net={"family": family})
    trainer, batches = experiment.prepared(run_of(c, files), "main", context(Path(files.root)))
    return trainer.method, next(batches.iterate(LATE, LATE + 1))


def descend(method: SemiSupervisedMethod, batch: Batch, rate: float = 0.01) -> None:
    """Plain gradient descent in the place of Adam, which makes a full step of a gradient that is nothing but rounding."""
    for phase in method.phases():
        parameters = [p for net in phase.trains for p in method.nets[net].parameters()]
        torch.manual_seed(7)
        gradients = torch.autograd.grad(phase.loss(batch)["total"], parameters, allow_unused=True)
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                if g is not None:
                    p.sub_(rate * g)
    method.after_step(batch)


@pytest.mark.parametrize("name", STACKABLE)
def test_each_run_of_a_stack_learns_what_it_learns_alone(name: str, draws: list[SplitFiles]) -> None:
    alone = [prepared(name, files) for files in draws]
    before = {key: value.clone() for key, value in alone[1][0].nets.state_dict().items()}
    stacked = Stacked([prepared(name, files)[0] for files in draws])
    descend(stacked, stack_batches([batch for _, batch in alone]))
    x = torch.rand(5, *alone[0][0].problem.image.shape)
    stacked.nets.eval()
    logits = stacked.predict(x)
    for run, (method, batch) in enumerate(alone):
        descend(method, batch)
        for key, value in method.nets.state_dict().items():
            got = stacked.nets.state_dict()[key][run]
            assert torch.allclose(got, value, rtol=1e-4, atol=1e-6), f"run {run}, {key}: {float((got - value).abs().max())}"
        method.nets.eval()
        torch.testing.assert_close(logits[run], method.predict(x), rtol=1e-3, atol=1e-4)
    assert _distance(before, alone[1][0].nets.state_dict()) > 0, "nothing was learned"


def _distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return sum(float((a[key] - b[key]).abs().sum()) for key in a)


def test_the_runs_of_a_stack_differ(draws: list[SplitFiles]) -> None:
    """Else the test above would compare a run with itself."""
    (_, a), (_, b), _ = (prepared("supervised", files) for files in draws)
    assert not torch.equal(a.x_l, b.x_l)


def test_what_cannot_be_stacked_is_refused(draws: list[SplitFiles]) -> None:
    refused = [name for name in stepped() if name not in STACKABLE]
    assert refused == ["fixmatch", "teacher_gan", "vat"]
    with pytest.raises(
        ConfigError, match="'teacher_gan' counts the predictions of its teacher beside its loss: its runs cannot be"
    ):
        require_stackable(methods.module("teacher_gan").Method, "mlp")
    with pytest.raises(ConfigError, match="'vat' differentiates within its loss"):
        require_stackable(methods.module("vat").Method, "mlp")
    with pytest.raises(ConfigError, match=r"`net\.family` is 'compact'"):
        Stacked([prepared("supervised", files, "compact")[0] for files in draws])
    with pytest.raises(ConfigError, match=r"`method\.options\.gradient_clip` is the norm of one run's gradient"):
        Stacked([prepared("supervised", files, gradient_clip=2.0)[0] for files in draws])


def test_muon_updates_each_run_of_a_stack_alone(draws: list[SplitFiles]) -> None:
    alone = [prepared("supervised", files, muon_rate=0.05) for files in draws]
    stacked = Stacked([prepared("supervised", files, muon_rate=0.05)[0] for files in draws])
    torch.manual_seed(7)
    run_step(stacked, stacked_optimizers(stacked), stack_batches([batch for _, batch in alone]))
    together = dict(stacked.nets.named_parameters())
    for run, (method, batch) in enumerate(alone):
        before = {name: p.detach().clone() for name, p in method.nets.named_parameters()}
        torch.manual_seed(7)
        run_step(method, make_optimizers(method), batch)
        moved = [layer.weight for layer in hidden_weights(method.nets[method.classifier])]
        for name, p in method.nets.named_parameters():
            if any(p is weight for weight in moved):
                assert not torch.equal(before[name], p)
                torch.testing.assert_close(together[name][run], p, rtol=1e-2, atol=1e-3)
