"""The options of feature matching, against the formulas of Salimans et al. 2016, section 3, written with loops in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssgan.config import Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches
from ssgan.methods import feature_matching
from ssgan.model import load_model
from ssgan.nets.layers import GaussianNoise
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.training import experiment
from ssgan.training.optimizers import make_optimizers, trainable
from ssgan.training.step import run_step
from tests.support.data import config, context, final_weights, run_of, same
from tests.support.methods import batch, build
from tests.support.ranks import run_ranks
from tests.support.resume import errors, same_when_killed

ALL = {
    "generator": "nonsaturating",
    "minibatch_kernels": 7,
    "minibatch_dims": 3,
    "historical_weight": 0.01,
    "label_smoothing": 0.1,
    "virtual_batch_norm": True,
}
SIZES = {"batch_size": 20, "labeled_batch_size": 6}
RANDOM = np.random.default_rng(0)


def tensor(a: np.ndarray) -> Tensor:
    return torch.tensor(a, dtype=torch.float32)


def sigmoid(r: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-r))


# --- one-sided label smoothing, and the generator's cost ---------------------------------------------------------------


def test_smoothing_moves_the_target_of_real_images_only() -> None:
    r_u, r_f, logits = RANDOM.normal(size=9), RANDOM.normal(size=7), RANDOM.normal(size=(4, 3))
    real = np.mean([-0.9 * np.log(sigmoid(r)) - 0.1 * np.log(1 - sigmoid(r)) for r in r_u])
    fake = np.mean([-np.log(1 - sigmoid(r)) for r in r_f])
    terms = losses.discriminator_terms(tensor(logits), torch.tensor([0, 1, 2, 0]), tensor(r_u), tensor(r_f), 0.7, 0.1)
    assert terms["unlabeled_real"].item() == pytest.approx(real, rel=1e-5)
    assert terms["fake"].item() == pytest.approx(fake, rel=1e-5)
    assert terms["total"].item() == pytest.approx(terms["labeled"].item() + 0.35 * (real + fake), rel=1e-5)


def test_the_smoothed_cost_is_least_at_the_target() -> None:
    r = torch.logit(torch.tensor([0.9])).requires_grad_()
    assert torch.autograd.grad(losses.smoothed_real(r, 0.1), r)[0].item() == pytest.approx(0.0, abs=1e-6)


def test_smoothing_reaches_the_phase() -> None:
    b = batch()
    plain, smooth = (
        {k: v.item() for k, v in build("feature_matching", label_smoothing=s).phases()[0].loss(b).items()} for s in (0, 0.3)
    )
    z = np.exp(build("feature_matching").nets["classifier"](b.x_u).logits.detach().double().numpy()).sum(1)
    d = z / (z + 1)
    assert smooth["unlabeled_real"] == pytest.approx(np.mean(-0.7 * np.log(d) - 0.3 * np.log(1 - d)), rel=1e-4)
    assert smooth["fake"] == plain["fake"]


@pytest.mark.parametrize("cost", ["saturating", "nonsaturating"])
def test_the_adversarial_generator(cost: str) -> None:
    method, b = build("feature_matching", generator=cost), batch()
    logits = method.nets["classifier"](method.nets["generator"](method.latent(b, "generator"))).logits
    z = np.exp(logits.detach().double().numpy()).sum(1)
    d = z / (z + 1)
    expected = np.log(1 - d).mean() if cost == "saturating" else -np.log(d).mean()
    assert method.phases()[1].loss(b)["total"].item() == pytest.approx(expected, rel=1e-4)


# --- historical averaging ----------------------------------------------------------------------------------------------


def parameters(net: nn.Module) -> np.ndarray:
    return np.concatenate([p.detach().double().numpy().ravel() for p in net.parameters()])


def test_a_player_pays_for_its_distance_from_the_mean_of_its_past() -> None:
    method, b = build("feature_matching", historical_weight=0.5), batch(0)
    method.init(b)
    optimizers = make_optimizers(method)
    past: dict[str, list[np.ndarray]] = {"classifier": [], "generator": []}
    assert [phase.loss(b)["historical"].item() for phase in method.phases()] == [0.0, 0.0]
    for step in range(12):
        run_step(method, optimizers, batch(step))
        for name, weights in past.items():
            weights.append(parameters(method.nets[name]))
    plain = build("feature_matching")
    plain.nets.load_state_dict({k: v for k, v in method.nets.state_dict().items() if "_history" not in k})
    for name, phase in zip(past, method.phases(), strict=True):
        mean = sum(past[name]) / 12
        np.testing.assert_allclose(parameters(method.nets[name + "_history"]), mean, rtol=1e-4, atol=1e-6)
        terms = phase.loss(b)
        assert terms["historical"].item() == pytest.approx(sum((past[name][-1] - mean) ** 2), rel=1e-3)
        alone = next(p for p in plain.phases() if p.name == phase.name).loss(b)["total"].item()
        assert terms["total"].item() == pytest.approx(alone + 0.5 * terms["historical"].item(), rel=1e-5)


def test_the_mean_is_a_constant_in_the_gradient() -> None:
    p, mean = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.0, 1.0])
    (gradient,) = torch.autograd.grad(losses.squared_distance([p], [mean]), p)
    assert gradient.tolist() == [2.0, 4.0]
    method = build("feature_matching", historical_weight=0.5)
    assert not any(
        p.requires_grad for name in ("classifier_history", "generator_history") for p in method.nets[name].parameters()
    )


# --- all of them, and none ---------------------------------------------------------------------------------------------


def everything(**options: Any) -> dict[str, Any]:
    return {"name": "feature_matching", "options": {**SIZES, **ALL, **options}}


def trainer(files: SplitFiles, options: dict[str, Any]) -> tuple[Any, Batches]:
    c = config(method=options)
    return experiment.prepared(run_of(c, files), "main", context(Path(files.root)))


def test_terms_are_finite_and_gradients_reach_every_player(splits: SplitFiles) -> None:
    live, batches = trainer(splits, everything())
    for b in batches.iterate(0, 3):
        run_step(live.method, live.optimizers, b)
    for phase in live.method.phases():
        terms = phase.loss(b)
        assert all(bool(torch.isfinite(value)) for value in terms.values())
        gradients = torch.autograd.grad(terms["total"], trainable(live.method, phase))
        assert all(bool(torch.isfinite(g).all()) and bool(g.abs().sum() > 0) for g in gradients)


def test_averages_of_weights_do_not_see_the_history(splits: SplitFiles) -> None:
    live, _ = trainer(splits, everything())
    assert not any("history" in key for key in live.average.tensors)
    assert {name for phase in live.method.phases() for name in phase.trains} == {"classifier", "generator"}


def weights_after_steps_without_noise(root: str, options: dict[str, Any], steps: int) -> dict[str, Tensor]:
    """Run on every rank."""
    live, batches = trainer(SplitFiles(root), options)
    for module in live.method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
    for b in batches.iterate(0, steps):
        run_step(live.method, live.optimizers, b)
    return {k: v.clone() for k, v in live.method.nets.state_dict().items()}


def test_two_ranks_equal_one(splits: SplitFiles, tmp_path: Path) -> None:
    """Few and small steps: where two M cross, the gradient of |M_i - M_j| jumps, and rounding grows (with one rank as well)."""
    arguments = (splits.root, everything(learning_rate=3e-4), 5)
    one = weights_after_steps_without_noise(*arguments)
    ranks = run_ranks(weights_after_steps_without_noise, 2, tmp_path, *arguments)
    assert same(*ranks)
    for key, value in one.items():
        torch.testing.assert_close(ranks[0][key], value, rtol=2e-4, atol=2e-5, msg=f"{key}: {{}}".format)


@pytest.mark.parametrize("step", [15, 26])
def test_killed_and_resumed_equals_never_killed(
    step: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = config(method=everything())
    same_when_killed(c, step, splits, tmp_path, monkeypatch)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_prediction_depends_on_its_image_only(precision: str, splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(run_of(config(method=everything(), train={"precision": precision}), splits), "main", context(tmp_path))
    model = load_model(tmp_path / "run/main/final/last")
    images = RANDOM.integers(0, 256, (9, 1, 8, 8)).astype(np.uint8)
    logits = model.predict_logits(images)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(model.predict_logits(images), logits)
    np.testing.assert_allclose(model.predict_logits(images[::-1])[::-1], logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict_logits(images, batch=1), logits, rtol=1e-4, atol=1e-5)
    again = load_model(tmp_path / "run/main/final/last").sample(3)
    np.testing.assert_array_equal(model.sample(3), again, "the reference batch is a part of the model")


@pytest.mark.parametrize("cost", ["matching", "saturating"])
def test_learns_with_all_options(cost: str, splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(run_of(config(method=everything(generator=cost), train={"steps": 60}), splits), "main", context(tmp_path))
    assert errors(tmp_path)[-1][1] < 0.4, "chance is 0.67"


class Before(feature_matching.Method):
    """The method as it was without the options, in its own words."""

    def __init__(self, config: feature_matching.Config, problem: Problem) -> None:
        super(feature_matching.Method, self).__init__(config, problem)

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.nets["classifier"], batch.x_u)
        data_dependent_init(self.nets["generator"], self.latent(batch, "init"))

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = torch.logsumexp(unlabeled.logits, 1), torch.logsumexp(fake.logits, 1)
        cost = nn.functional.softplus(-r_u).mean() + nn.functional.softplus(r_f).mean()
        return {"total": nn.functional.cross_entropy(labeled.logits, batch.y_l) + 0.5 * cost}

    def generator_loss(self, batch: Batch) -> Terms:
        features_fake = self.discriminator.features(self.generator(self.latent(batch, "generator")))
        with torch.no_grad():
            features_real = self.discriminator.features(batch.x_u2)
        return {"total": (features_fake.mean(0) - features_real.mean(0)).square().mean()}

    def after_step(self, batch: Batch) -> None:
        pass


def test_the_defaults_change_nothing(splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    c = config(method={"options": {**SIZES}}, train={"steps": 12})
    experiment.train(run_of(c, splits), "main", context(tmp_path / "now"))
    monkeypatch.setattr(feature_matching, "Method", Before)
    experiment.train(run_of(c, splits), "main", context(tmp_path / "before"))
    assert same(final_weights(tmp_path / "now"), final_weights(tmp_path / "before"))
