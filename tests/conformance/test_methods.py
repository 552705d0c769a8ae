"""What every method must keep, for every file in ssgan/methods: a new file is tested without editing a test."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches
from ssgan.model import load_model
from ssgan.nets.layers import GaussianNoise
from ssgan.training import experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.context import TWIN
from ssgan.training.optimizers import trainable
from ssgan.training.roles import role_method
from ssgan.training.step import run_step
from tests.support.data import config, context, final_weights, run_of, same, short, write_splits
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow
CLASSES, SIZE = 3, 8
LATE = 10  # a step at which every phase runs and every term is there, by ``short``


def small_trainer(name: str, files: SplitFiles, **options: int) -> tuple[Trainer, Batches]:
    c = config(method=short(name, **options))
    return experiment.prepared(run_of(c, files), "main", context(Path(files.root)))


@pytest.fixture(params=methods.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_docstring_names_its_paper_and_its_cost(name: str) -> None:
    text = methods.module(name).__doc__ or ""
    for part in ("Paper:", "Objective", "Expected", "Cost"):
        assert part in text, f"{name} lacks {part!r}"


def test_terms_are_finite_scalars_with_a_total(name: str, splits: SplitFiles) -> None:
    trainer, batches = small_trainer(name, splits)
    batch = next(batches.iterate(LATE, LATE + 1))
    for phase in trainer.method.phases():
        terms = phase.loss(batch)
        assert "total" in terms
        for key, value in terms.items():
            assert value.ndim == 0, key
            assert torch.isfinite(value), key


def test_a_phase_moves_only_what_it_trains(name: str, splits: SplitFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, batches = small_trainer(name, splits)
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


def test_gradients_reach_every_trained_network(name: str, splits: SplitFiles) -> None:
    trainer, batches = small_trainer(name, splits)
    batch = next(batches.iterate(LATE, LATE + 1))
    for phase in trainer.method.phases():
        parameters = trainable(trainer.method, phase)
        gradients = torch.autograd.grad(phase.loss(batch)["total"], parameters, allow_unused=True)
        reached = [g is not None and bool(g.abs().sum() > 0) for g in gradients]
        assert sum(reached) >= 0.9 * len(reached), f"{phase.name}: {reached}"


def test_predict_gives_one_logit_per_real_class(name: str, splits: SplitFiles) -> None:
    trainer, _ = small_trainer(name, splits)
    trainer.method.nets.eval()
    x = torch.rand(7, 1, SIZE, SIZE)
    assert trainer.method.predict(x).shape == (7, CLASSES)
    assert torch.equal(trainer.method.predict(x), trainer.method.predict(x)), "evaluation mode must be deterministic"


def test_samples_are_images(name: str, splits: SplitFiles) -> None:
    trainer, _ = small_trainer(name, splits)
    samples = trainer.method.sample(5)
    if samples is not None:
        assert samples.shape == (5, 1, SIZE, SIZE)
        assert samples.min() >= 0
        assert samples.max() <= 1


def test_same_seed_same_bits_and_other_seed_other_bits(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        c = config(method=short(name), train={"seed": seed, "steps": 10})
        experiment.train(run_of(c, splits), "main", context(tmp_path / folder))
    assert same(final_weights(tmp_path / "a"), final_weights(tmp_path / "b"))
    assert not same(final_weights(tmp_path / "a"), final_weights(tmp_path / "c"))


def test_finished_model_predicts_what_the_trainer_predicted(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    c = config(method=short(name), train={"steps": 10})
    experiment.train(run_of(c, splits), "main", context(tmp_path))
    model = load_model(tmp_path / "run/main/final/last")
    assert model.method == name
    weights = final_weights(tmp_path)
    rebuilt = methods.build(
        name, role_method(c, "main")[1], Problem(ImageSpec(1, SIZE, "fit"), CLASSES, NetConfig(**c.net.model_dump()))
    )
    rebuilt.nets.load_state_dict(weights)
    rebuilt.nets.eval()
    images = torch.randint(0, 256, (9, 1, SIZE, SIZE), dtype=torch.uint8)
    with torch.no_grad():
        expected = rebuilt.predict(images * (1.0 / 255.0))
    assert torch.equal(torch.from_numpy(model.predict_logits(images.numpy())), expected)


def test_beats_chance_on_an_easy_set(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(run_of(config(method=short(name), train={"steps": 60}), splits), "main", context(tmp_path))
    model = load_model(tmp_path / "run/main/final/last")
    table = splits.read("test")
    from ssgan.data.schema import pixels_to_numpy

    logits = model.predict_logits(pixels_to_numpy(table["pixels"], splits.image_spec()))
    error = (logits.argmax(1) != table["label"].to_numpy()).mean()
    assert error < 0.4, f"{error:.2f}; chance is 0.67"


def weights_after_steps_without_noise(name: str, root: str, steps: int) -> dict[str, torch.Tensor]:
    """Run on every rank: some steps with noise and dropout off, which differ between ranks by design."""
    trainer, batches = small_trainer(name, SplitFiles(root), labeled_batch_size=12)  # four ranks share it evenly
    for module in trainer.method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for batch in batches.iterate(LATE, LATE + steps):
        run_step(trainer.method, trainer.optimizers, batch)
    return {k: v.clone() for k, v in trainer.method.nets.state_dict().items()}


@pytest.mark.parametrize("world", [2, 4])
def test_so_many_ranks_equal_one(name: str, world: int, splits: SplitFiles, tmp_path: Path) -> None:
    one = weights_after_steps_without_noise(name, splits.root, 8)
    ranks = run_ranks(weights_after_steps_without_noise, world, tmp_path, name, splits.root, 8)
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
def test_works_with_convolutions(name: str, family: str, tmp_path: Path) -> None:
    files = write_splits(tmp_path / "splits", size=16, channels=3)
    c = config(method=short(name), net={"family": family, "width": 0.25}, train={"steps": 3, "val_every": 3})
    experiment.train(run_of(c, files), "main", context(tmp_path / "storage"))
    assert load_model(tmp_path / "storage/run/main/final/last").image.channels == 3


def test_trains_in_bfloat16(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    """The products in bfloat16, weights, losses and averages in float32."""
    experiment.train(
        run_of(config(method=short(name), train={"precision": "bf16", "steps": 120}), splits), "main", context(tmp_path)
    )
    weights = final_weights(tmp_path)
    assert all(bool(torch.isfinite(v).all()) for v in weights.values())
    assert {v.dtype for v in weights.values()} == {torch.float32}
    history = (tmp_path / "run/main/final/history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["val_error_rate"] < 0.4
