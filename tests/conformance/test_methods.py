"""What every method must keep, for every file in ssgan/methods: a new file is tested without editing a test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ssgan import methods
from ssgan.config import Config, ImageSpec, NetConfig, Problem
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches
from ssgan.model import load_model
from ssgan.nets.layers import GaussianNoise
from ssgan.players.fitted import FittedMethod
from ssgan.training import experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.context import TWIN
from ssgan.training.optimizers import trainable
from ssgan.training.roles import role_method
from ssgan.training.step import run_step
from tests.support.data import (
    ON_FEATURES,
    VARIANTS,
    config,
    context,
    final_weights,
    on_features,
    run_of,
    same,
    short,
    write_splits,
)
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow
CLASSES, SIZE = 3, 8
LATE = 10  # a step at which every phase runs and every term is there, by ``short``


def small_trainer(name: str, files: SplitFiles, **options: Any) -> tuple[Trainer, Batches]:
    return experiment.prepared(run_of(settings(name, files, **options), files), "main", context(Path(files.root)))


def settings(name: str, files: SplitFiles, train: dict[str, Any] | None = None, **options: Any) -> Config:
    """A short run of a method on pixels or, where the files have such, on features."""
    return config(**(ON_FEATURES if files.features else {}), method=short(name, **options), train=train or {})


def fitted(name: str) -> bool:
    """Whether the method has no steps; it learns on features only."""
    return issubclass(methods.module(name.partition("+")[0]).Method, FittedMethod)


STEPPED = [*(name for name in methods.names() if not fitted(name)), *VARIANTS]


@pytest.fixture(params=methods.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=STEPPED)
def stepped(request: pytest.FixtureRequest) -> str:
    """A method that is trained in steps, or a variant of one."""
    return str(request.param)


@pytest.fixture(params=[f"{name}-{kind}" for name in [*methods.names(), *VARIANTS] for kind in ("pixels", "features")])
def case(request: pytest.FixtureRequest, splits: SplitFiles) -> tuple[str, SplitFiles]:
    """A method and what it learns on."""
    name, kind = str(request.param).split("-")
    if kind == "pixels" and fitted(name):
        pytest.skip("learns on features only")
    return name, on_features(splits) if kind == "features" else splits


def test_docstring_names_its_paper_and_its_cost(name: str) -> None:
    text = methods.module(name).__doc__ or ""
    for part in ("Paper:", "Objective", "Expected", "Cost"):
        assert part in text, f"{name} lacks {part!r}"


def test_terms_are_finite_scalars_with_a_total(case: tuple[str, SplitFiles]) -> None:
    trainer, batches = small_trainer(*case)
    batch = next(batches.iterate(LATE, LATE + 1))
    for phase in trainer.method.phases():
        terms = phase.loss(batch)
        assert "total" in terms
        for key, value in terms.items():
            assert value.ndim == 0, key
            assert torch.isfinite(value), key


def test_a_phase_moves_only_what_it_trains(case: tuple[str, SplitFiles], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, batches = small_trainer(*case)
    monkeypatch.setattr(trainer.method, "after_step", lambda batch: None)
    batch = next(batches.iterate(LATE, LATE + 1))
    for phase in trainer.method.phases():
        before = {k: v.clone() for k, v in trainer.method.nets.state_dict().items()}
        monkeypatch.setattr(trainer.method, "phases", lambda p=phase: [p])
        run_step(trainer.method, trainer.optimizers, batch)
        moved = {k for k, v in trainer.method.nets.state_dict().items() if not torch.equal(v, before[k])}
        assert moved, f"{phase.name} trains nothing"
        assert {key.split(".")[0] for key in moved} <= set(phase.trains)
        assert all(p.grad is None for p in trainer.method.nets.parameters())


def test_gradients_reach_every_trained_network(case: tuple[str, SplitFiles]) -> None:
    trainer, batches = small_trainer(*case)
    batch = next(batches.iterate(LATE, LATE + 1))
    for phase in trainer.method.phases():
        parameters = trainable(trainer.method, phase)
        gradients = torch.autograd.grad(phase.loss(batch)["total"], parameters, allow_unused=True)
        reached = [g is not None and bool(g.abs().sum() > 0) for g in gradients]
        assert sum(reached) >= 0.9 * len(reached), f"{phase.name}: {reached}"


def test_predict_gives_one_logit_per_real_class(case: tuple[str, SplitFiles]) -> None:
    trainer, _ = small_trainer(*case)
    trainer.method.nets.eval()
    x = torch.rand(7, *trainer.method.problem.input.shape)
    assert trainer.method.predict(x).shape == (7, CLASSES)
    assert torch.equal(trainer.method.predict(x), trainer.method.predict(x)), "evaluation mode must be deterministic"


def test_samples_are_images(case: tuple[str, SplitFiles]) -> None:
    trainer, _ = small_trainer(*case)
    samples = trainer.method.sample(5)
    if samples is not None:
        assert samples.shape == (5, *trainer.method.problem.input.shape)
        if not case[1].features:
            assert samples.min() >= 0
            assert samples.max() <= 1


def test_same_seed_same_bits_and_other_seed_other_bits(case: tuple[str, SplitFiles], tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        c = settings(*case, train={"seed": seed, "steps": 10})
        experiment.train(run_of(c, case[1]), "main", context(tmp_path / folder))
    assert same(final_weights(tmp_path / "a"), final_weights(tmp_path / "b"))
    if not fitted(case[0]):  # these draw nothing but folds of the labels
        assert not same(final_weights(tmp_path / "a"), final_weights(tmp_path / "c"))


def test_finished_model_predicts_what_the_trainer_predicted(stepped: str, splits: SplitFiles, tmp_path: Path) -> None:
    c = config(method=short(stepped), train={"steps": 10})
    experiment.train(run_of(c, splits), "main", context(tmp_path))
    model = load_model(tmp_path / "run/main/final/last")
    name, options = role_method(c, "main")
    assert model.method == name == stepped.partition("+")[0]
    weights = final_weights(tmp_path)
    rebuilt = methods.build(name, options, Problem(ImageSpec(1, SIZE, "fit"), CLASSES, NetConfig(**c.net.model_dump())))
    rebuilt.nets.load_state_dict(weights)
    rebuilt.nets.eval()
    images = torch.randint(0, 256, (9, 1, SIZE, SIZE), dtype=torch.uint8)
    with torch.no_grad():
        expected = rebuilt.predict(images * (1.0 / 255.0))
    assert torch.equal(torch.from_numpy(model.predict_logits(images.numpy())), expected)


def test_beats_chance_on_an_easy_set(case: tuple[str, SplitFiles], tmp_path: Path) -> None:
    name, files = case
    steps = 200 if files.features else 60
    experiment.train(run_of(settings(name, files, train={"steps": steps}), files), "main", context(tmp_path))
    model = load_model(tmp_path / "run/main/final/last")
    table, given = files.read("test"), files.inputs("test")
    logits = model.predict_logits(given[:, 0].astype(np.float32) if files.features else given)
    error = (logits.argmax(1) != table["label"].to_numpy()).mean()
    assert error < 0.4, f"{error:.2f}; chance is 0.67"


def weights_after_steps_without_noise(name: str, root: str, kind: str, steps: int) -> dict[str, torch.Tensor]:
    """Run on every rank: some steps with noise and dropout off, which differ between ranks by design."""
    files = on_features(SplitFiles(root)) if kind == "features" else SplitFiles(root)
    trainer, batches = small_trainer(name, files, labeled_batch_size=12)  # four ranks share it evenly
    for module in trainer.method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for batch in batches.iterate(LATE, LATE + steps):
        run_step(trainer.method, trainer.optimizers, batch)
    return {k: v.clone() for k, v in trainer.method.nets.state_dict().items()}


@pytest.mark.parametrize(("world", "kind"), [(2, "pixels"), (4, "pixels"), (2, "features")])
def test_so_many_ranks_equal_one(stepped: str, kind: str, world: int, splits: SplitFiles, tmp_path: Path) -> None:
    steps = 3 if stepped == "ugan" else 8  # its L1 matching has gradients of signs: one that flips by rounding is no error
    one = weights_after_steps_without_noise(stepped, splits.root, kind, steps)
    ranks = run_ranks(weights_after_steps_without_noise, world, tmp_path, stepped, splits.root, kind, steps)
    for other in ranks[1:]:
        assert same(ranks[0], other), "ranks must hold equal weights"
    for key, value in one.items():
        torch.testing.assert_close(ranks[0][key], value, rtol=2e-4, atol=2e-5, msg=f"{key}: {{}}".format)


def test_docstring_numbers_its_deviations_or_has_none(name: str) -> None:
    text = methods.module(name).__doc__ or ""
    deviations = re.search(r"Deviations:(.*?)\n\n", text, re.DOTALL)
    if name != TWIN:
        assert deviations, f"{name}: say what differs from the paper, or that nothing does"


@pytest.mark.parametrize("family", ["compact"])
def test_works_with_convolutions(stepped: str, family: str, tmp_path: Path) -> None:
    files = write_splits(tmp_path / "splits", size=16, channels=3)
    c = config(method=short(stepped), net={"family": family, "width": 0.25}, train={"steps": 3, "val_every": 3})
    experiment.train(run_of(c, files), "main", context(tmp_path / "storage"))
    assert load_model(tmp_path / "storage/run/main/final/last").image.channels == 3


def test_trains_in_bfloat16(stepped: str, splits: SplitFiles, tmp_path: Path) -> None:
    """The products in bfloat16, weights, losses and averages in float32."""
    experiment.train(
        run_of(config(method=short(stepped), train={"precision": "bf16", "steps": 300}), splits), "main", context(tmp_path)
    )
    weights = final_weights(tmp_path)
    assert all(bool(torch.isfinite(v).all()) for v in weights.values())
    assert {v.dtype for v in weights.values()} == {torch.float32}
    history = (tmp_path / "run/main/final/history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["val_error_rate"] < 0.4
