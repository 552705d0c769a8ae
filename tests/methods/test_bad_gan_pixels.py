"""Bad GAN with a PixelCNN++ as the density: trained at first, constant afterwards, and seen by the generator."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches
from ssgan.errors import ConfigError
from ssgan.model import load_model
from ssgan.nets.layers import GaussianNoise
from ssgan.nets.pixelcnn import PixelCNN
from ssgan.training import experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.loop import Meter
from ssgan.training.step import run_step
from tests.support.data import config, context, final_weights, run_of, same, write_splits
from tests.support.methods import batch, build
from tests.support.ranks import run_ranks
from tests.support.resume import errors, same_when_killed

SMALL = {"density": "pixels", "density_width": 4, "density_mixtures": 2, "density_images": 8}


def options(**more: Any) -> dict[str, Any]:
    return {"name": "bad_gan", "options": {"batch_size": 20, "labeled_batch_size": 6, **SMALL, **more}}


def pixels(**more: Any) -> Any:
    """A method on images of 6x6, its networks initialised from data."""
    method = build("bad_gan", batch_size=10, **{**SMALL, "density_start": 6, "density_every": 3, **more})
    method.init(batch())
    return method


def phase(method: Any, name: str) -> Any:
    return next(p for p in method.phases() if p.name == name)


def small_trainer(files: SplitFiles, **more: Any) -> tuple[Trainer, Batches]:
    c = config(method=options(**more))
    return experiment.prepared(run_of(c, files), "main", context(Path(files.root)))


def weights(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}


def test_density_is_trained_before_density_start_and_constant_after(splits: SplitFiles) -> None:
    trainer, batches = small_trainer(splits, density_start=4)
    density, seen, logged = trainer.method.nets["density"], [], []
    seen.append(weights(density))
    for b in batches.iterate(0, 8):
        logged.append(run_step(trainer.method, trainer.optimizers, b))
        seen.append(weights(density))
    changed = [not same(before, after) for before, after in itertools.pairwise(seen)]
    assert changed == [True] * 4 + [False] * 4
    assert ["density/bits_per_dim" in terms for terms in logged] == changed
    thresholds = [w["threshold"].item() for w in seen]
    assert thresholds[:4] == [math.inf] * 4, "no threshold while the density still changes"
    assert math.isfinite(thresholds[4])


def test_threshold_is_the_quantile_over_unlabeled_images() -> None:
    method, b = pixels(density_quantile=0.25), batch(step=5)
    method.after_step(batch(step=4))
    assert method.nets["density"].threshold.item() == math.inf
    method.after_step(b)
    log_p = method.nets["density"](torch.cat([b.x_u, b.x_u2])) / 36
    torch.testing.assert_close(method.nets["density"].threshold, torch.quantile(log_p, 0.25))


def test_maximum_likelihood_in_bits_per_dimension() -> None:
    method, b = pixels(), batch()
    terms = phase(method, "density").loss(b)
    mean = method.nets["density"](b.x_u[:8]).mean() / 36
    torch.testing.assert_close(terms["bits_per_dim"], -mean / math.log(2))
    torch.testing.assert_close(terms["total"], -mean)


def test_low_density_is_zero_below_the_threshold_and_the_mean_excess_above() -> None:
    method, b = pixels(), batch(step=6)
    loss = phase(method, "generator").loss
    method.nets["density"].threshold.fill_(50.0)
    assert loss(b)["low_density"].item() == 0.0
    method.nets["density"].threshold.fill_(-50.0)
    terms = loss(b)
    log_p = -terms["fake_bits_per_dim"] * math.log(2)
    torch.testing.assert_close(terms["low_density"], log_p + 50.0)


def test_low_density_stands_in_every_third_step_from_its_start_on_with_its_weight() -> None:
    method = pixels(low_density_weight=2.0, pull_away_weight=0.0)
    method.nets["density"].threshold.fill_(-50.0)
    loss = phase(method, "generator").loss
    assert [step for step in range(13) if "low_density" in loss(batch(step))] == [6, 9, 12]
    terms = loss(batch(step=9))
    torch.testing.assert_close(terms["total"], terms["matching"] + 2.0 * terms["low_density"])


def test_gradient_of_low_density_reaches_every_part_of_the_generator() -> None:
    method = pixels()
    method.nets["density"].threshold.fill_(-50.0)
    value = phase(method, "generator").loss(batch(step=6))["low_density"]
    gradients = torch.autograd.grad(value, list(method.nets["generator"].parameters()), allow_unused=True)
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)


def test_without_the_term_there_is_no_density() -> None:
    assert "density" not in build("bad_gan", **SMALL, low_density_weight=0.0).nets
    with pytest.raises(ConfigError, match="time to train the density"):
        build("bad_gan", **SMALL, density_start=0)


@pytest.mark.parametrize("step", [13, 16, 27])  # before density_start, soon after it, long after it
def test_killed_and_resumed_equals_never_killed(
    step: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = config(method=options(density_start=15, density_every=2, density_quantile=0.0))
    same_when_killed(c, step, splits, tmp_path, monkeypatch)
    assert errors(tmp_path / "whole")[-1][2]["generator/low_density"] > 0, "the term must have had a say"


def weights_after_steps(root: str) -> dict[str, torch.Tensor]:
    """Run on every rank, past density_start, without the noise that differs between ranks by design."""
    trainer, batches = small_trainer(SplitFiles(root), density_start=5, density_every=1, density_quantile=0.0)
    for module in trainer.method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
    for b in batches.iterate(0, 9):
        terms = run_step(trainer.method, trainer.optimizers, b)
    return {**weights(trainer.method.nets), "low_density": terms["generator/low_density"]}


def test_two_ranks_equal_one(splits: SplitFiles, tmp_path: Path) -> None:
    one = weights_after_steps(splits.root)
    first, second = run_ranks(weights_after_steps, 2, tmp_path, splits.root)
    mean = (first.pop("low_density") + second.pop("low_density")) / 2  # each of its own images
    torch.testing.assert_close(mean, one.pop("low_density"), rtol=2e-3, atol=1e-4)
    assert mean > 0, "the term must have had a say"
    assert same(first, second)
    for key, value in one.items():
        torch.testing.assert_close(first[key], value, rtol=2e-4, atol=2e-5, msg=f"{key}: {{}}".format)


def build_on_rank() -> str:
    try:
        build("bad_gan", **{**SMALL, "density_images": 7})
    except ConfigError as error:
        return str(error)
    return ""


def test_images_that_two_workers_cannot_share_are_refused(tmp_path: Path) -> None:
    assert all("density_images is 7" in message for message in run_ranks(build_on_rank, 2, tmp_path))


def test_color_in_bfloat16(tmp_path: Path) -> None:
    """The density stays in float32; a finished model holds it, and predicts."""
    files = write_splits(tmp_path / "splits", channels=3)
    c = config(method=options(density_start=2, density_every=1), train={"steps": 4, "precision": "bf16"})
    experiment.train(run_of(c, files), "main", context(tmp_path))
    assert all(bool(torch.isfinite(v).all()) for v in final_weights(tmp_path).values())
    assert load_model(tmp_path / "run/main/final/last").image.channels == 3
    net, x = PixelCNN(3, 4, 1, 2), torch.rand(2, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(x.bfloat16())  # as a generator in bfloat16 gives them
    assert torch.equal(found, net(x.bfloat16().float()))


def test_history_is_the_mean_over_the_steps_that_had_the_term(splits: SplitFiles, tmp_path: Path) -> None:
    meter = Meter()
    for step in range(4):
        rare = {"rare": torch.tensor(8.0)} if step == 2 else {}
        meter.add({"often": torch.tensor(float(step))} | rare, 1)
    assert meter.means() == {"often": 1.5, "rare": 8.0}
    c = config(method=options(density_start=3), train={"steps": 10})
    experiment.train(run_of(c, splits), "main", context(tmp_path))
    record = json.loads((tmp_path / "run/main/final/history.jsonl").read_text().splitlines()[0])
    assert 1 < record["terms"]["density/bits_per_dim"] < 20
