"""A step can be recorded once and replayed for other steps, for every file in ssgan/methods: as CUDA graphs do, on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ssgan import methods
from ssgan.core.method import SemiSupervisedMethod
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches
from ssgan.errors import ConfigError, NonFiniteError
from ssgan.nets import layers
from ssgan.training import experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.derived import plan_of
from ssgan.training.finite import Watch
from ssgan.training.graphs import WARM_UP, Graphs, require_graphs
from ssgan.training.loop import one_step
from tests.support.data import ON_FEATURES, OPTIONS, VARIANTS, config, context, on_features, run_of, same, short
from tests.support.methods import stepped
from tests.support.replay import TapeRecorder

pytestmark = pytest.mark.slow
STEPPED = [*stepped(), *VARIANTS, *OPTIONS]
RECORDED = [name for name in STEPPED if name not in methods.names() or not methods.module(name).Method.not_recorded]
CASES = [*((name, "pixels") for name in RECORDED), *((name, "features") for name in RECORDED if name not in OPTIONS)]


@pytest.fixture(autouse=True)
def _noise_as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn by torch: what stands in the place of that on a CPU begins at an offset that Python draws."""
    monkeypatch.setattr(layers, "_BANK_SIZE", 0)


def prepared(name: str, kind: str, splits: SplitFiles, folder: Path) -> tuple[Trainer, Batches]:
    files = on_features(splits) if kind == "features" else splits
    method, options = OPTIONS.get(name, (name, {}))
    c = config(**(ON_FEATURES if kind == "features" else {}), method=short(method, **options))
    return experiment.prepared(run_of(c, files), "main", context(folder))


def learn(trainer: Trainer, batches: Batches, steps: Iterator[int] | range | list[int], graphs: Graphs | None) -> list[Any]:
    """The terms of these steps."""
    plan, watch, terms = replace(plan_of(config(), trainer.method.config, bf16=False), lr_tail=0.9), Watch(), []
    trainer.method.nets.train()
    for step in steps:
        terms.append(one_step(trainer, plan, next(batches.iterate(step, step + 1)), watch, graphs))
    watch.look()
    return terms


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_replayed_steps_are_those_that_are_not(name: str, kind: str, splits: SplitFiles, tmp_path: Path) -> None:
    """Some before and some after what begins late, with a learning rate that falls."""
    steps = range(5, 5 + WARM_UP + 2) if name == "ugan" else range(12)  # signs are its gradients, which may flip by rounding
    trainer, batches = prepared(name, kind, splits, tmp_path)
    expected = learn(trainer, batches, steps, None)
    replayed, batches = prepared(name, kind, splits, tmp_path)
    recorder = TapeRecorder()
    got = learn(replayed, batches, steps, Graphs(replayed.method, replayed.optimizers, recorder=recorder))
    assert recorder.replays > 0
    assert recorder.replays + len(recorder.warm_ups) == len(steps)
    for step, (a, b) in enumerate(zip(got, expected, strict=True)):
        assert list(a) == list(b)
        for term in a:
            torch.testing.assert_close(a[term], b[term].float(), rtol=1e-3, atol=1e-4, msg=f"{step}, {term}: {{}}".format)
    for key, value in trainer.method.nets.state_dict().items():
        torch.testing.assert_close(
            replayed.method.nets.state_dict()[key], value, rtol=2e-4, atol=2e-5, msg=f"{key}: {{}}".format
        )


def baked(trainer: Trainer, batches: Batches) -> list[Any]:
    """What Python puts into two steps of one pattern that differ in time, where it differs; of each pattern."""
    method, differing = trainer.method, []
    for steps in ([0, 1, 3], [10, 11, 450], [600, 601, 1500]):
        assert len({method.pattern(step) for step in steps}) == 1
        recorder = TapeRecorder()
        learn(trainer, batches, steps, Graphs(method, trainer.optimizers, recorder=recorder))
        _, a, b = recorder.warm_ups  # the first one sets up what the optimizers keep
        assert [name for name, _ in a] == [name for name, _ in b]
        differing += [(name, x, y) for (name, x), (_, y) in zip(a, b, strict=True) if x != y]
    return differing


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_no_number_of_a_step_stays_in_what_is_recorded(name: str, kind: str, splits: SplitFiles, tmp_path: Path) -> None:
    assert baked(*prepared(name, kind, splits, tmp_path)) == []


@pytest.mark.parametrize("name", ["categorical_gan", "mean_teacher", "pseudo_label", "teacher_gan", "improved_gan"])
def test_a_number_that_stays_is_seen(name: str, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SemiSupervisedMethod, "scheduled", lambda self, name, step: self.schedule(step)[name])
    assert baked(*prepared(name, "pixels", splits, tmp_path)) != []


@pytest.mark.parametrize("name", ["feature_matching", "teacher_gan", "muon"])
def test_a_run_that_goes_on_warms_up_again_and_has_the_same_bits(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    weights = []
    for parts in ([range(10, 18)], [range(10, 14), range(14, 18)]):
        trainer, batches = prepared(name, "pixels", splits, tmp_path)
        for steps in parts:
            recorder = TapeRecorder()
            learn(trainer, batches, steps, Graphs(trainer.method, trainer.optimizers, recorder=recorder))
            assert len(recorder.warm_ups) == WARM_UP
        weights.append(trainer.method.nets.state_dict())
    assert same(*weights)


def test_a_number_that_is_not_finite_is_named_as_ever(splits: SplitFiles, tmp_path: Path) -> None:
    trainer, batches = prepared("supervised", "pixels", splits, tmp_path)
    graphs, watch = Graphs(trainer.method, trainer.optimizers, recorder=TapeRecorder()), Watch()
    for step in range(WARM_UP + 4):
        batch = next(batches.iterate(step, step + 1))
        if step == WARM_UP + 2:  # a step that is replayed
            before = {key: value.clone() for key, value in trainer.method.nets.state_dict().items()}
            batch = replace(batch, x_l=batch.x_l * torch.inf)
        graphs.run_step(batch, 1.0, watch)
    with pytest.raises(NonFiniteError, match=rf"^step {WARM_UP + 2}: the term 'labeled' and 'total' of phase 'classifier'"):
        watch.look()
    assert all(torch.equal(value, before[key]) for key, value in trainer.method.nets.state_dict().items())


def test_what_cannot_be_recorded_is_refused_in_a_sentence(splits: SplitFiles, tmp_path: Path) -> None:
    assert [name for name in STEPPED if name not in RECORDED] == ["vat"]
    vat, _ = prepared("vat", "pixels", splits, tmp_path)
    with pytest.raises(ConfigError, match=r"^`train\.graphs` is true, but `method\.name` 'vat' draws the same noise several"):
        require_graphs(vat.method)
    run = run_of(config(method=short("supervised"), train={"graphs": True}), splits)
    with pytest.raises(
        ConfigError, match=r"^`train\.graphs` is true, but this training runs on cpu; set it to false, or train"
    ):
        experiment.train(run, "main", context(tmp_path))
