"""What the methods without a generator compute, against the papers' formulas."""

from __future__ import annotations

import math

import pytest
import torch

from ssgan.nets.layers import without_noise
from ssgan.players.alignment import ClassAlignment, aligned
from ssgan.players.confidence import WEIGHTS, RunningConfidence
from ssgan.players.one import OnePlayerMethod
from tests.support.methods import batch, build, terms


@pytest.mark.parametrize(("step", "alpha"), [(0, 0.0), (10, 0.0), (15, 1.5), (20, 3.0), (500, 3.0)])
def test_pseudo_labels_come_in_slowly(step: int, alpha: float) -> None:
    method, b = build("pseudo_label", ramp_start=10, ramp_steps=10), batch(step)
    found = terms(method, b)
    p = method.predict(b.x_u).softmax(1)
    assert found["pseudo"] == pytest.approx(-p.max(1).values.log().mean().item(), rel=1e-5)
    assert found["total"] == pytest.approx(found["labeled"] + alpha * found["pseudo"], rel=1e-5)


def test_the_teacher_follows_the_classifier() -> None:
    method = build("mean_teacher", teacher_decay=0.9, ramp_steps=10)
    method.init(batch())
    student, teacher = method.nets["classifier"], method.nets["teacher"]
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), teacher.parameters(), strict=True))
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1.0)
    before = [p.clone() for p in teacher.parameters()]
    method.after_step(batch(step=3))  # a = min(1 - 1/4, 0.9) = 0.75
    for old, now, new in zip(before, teacher.parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(now, 0.75 * old + 0.25 * new)
    b = batch(step=5)
    found = terms(method, b)
    difference = (student(b.x_u).logits.softmax(1) - teacher(b.x_u2).logits.softmax(1)).square().mean().item()
    assert found["consistency"] == pytest.approx(difference, rel=1e-5)
    assert found["total"] == pytest.approx(found["labeled"] + 50 * math.exp(-5 * 0.25) * difference, rel=1e-5)


def test_fixmatch_learns_only_from_what_it_is_sure_of() -> None:
    b = batch()
    assert terms(build("fixmatch", threshold=0.999), b)["unlabeled"] == 0.0
    sure = terms(build("fixmatch", threshold=0.001), b)
    assert sure["mask_share"] == 1.0
    assert sure["total"] == pytest.approx(sure["labeled"] + sure["unlabeled"], rel=1e-5)


def test_thresholds_of_fixmatch_follow_the_classifier_by_steps() -> None:
    """In a step the thresholds know its predictions (FreeMatch, eq. 5 and 6); only its end lets them move on."""
    b = batch()
    for thresholds in ("freematch", "softmatch"):
        method = build("fixmatch", thresholds=thresholds, threshold_decay=0.9, alignment_decay=None)
        assert isinstance(method, OnePlayerMethod)
        with without_noise(method.net):
            q = method.net(b.x_u).logits.softmax(1)
        first, again = terms(method, b), terms(method, b)
        assert first == again
        running = method.nets["confidence"]
        assert isinstance(running, RunningConfidence)
        after = running.following(q, 0.9)
        weights = WEIGHTS[thresholds](q, after)
        assert first["mask_share"] == pytest.approx(weights.mean().item(), rel=1e-5)
        assert first["total"] == pytest.approx(first["labeled"] + first["unlabeled"], rel=1e-5)
        method.after_step(b)
        torch.testing.assert_close(running.mean, after.mean)
    assert "confidence" not in build("fixmatch").nets


def test_targets_of_fixmatch_are_free_of_noise_and_aligned_to_equal_shares() -> None:
    """An image of a class that is predicted twice as often as it is there counts half as much for it."""
    method, b = build("fixmatch", alignment_decay=0.5), batch()
    assert isinstance(method, OnePlayerMethod)
    with without_noise(method.net):
        q = method.net(b.x_u).logits.softmax(1)
    running = method.nets["alignment"]
    assert isinstance(running, ClassAlignment)
    expected = aligned(q, running.following(q, 0.5))
    torch.testing.assert_close(method.targets(b.x_u), expected)  # type: ignore[attr-defined]
    method.after_step(b)
    torch.testing.assert_close(running.predicted, (0.5 / q.shape[1] + 0.5 * q.mean(0)).detach())
    plain = build("fixmatch", alignment_decay=None)
    assert "alignment" not in plain.nets


def test_the_fake_images_of_catgan_weigh_what_is_asked() -> None:
    one, other = (build("categorical_gan", ramp_steps=4, fake_weight=weight) for weight in (1.0, 0.3))
    b = batch(2)  # the weight of the entropies is a half
    one.init(b)
    other.nets.load_state_dict(one.nets.state_dict())
    losses = []
    for method in (one, other):
        torch.manual_seed(0)
        losses.append(method.phases()[0].loss(b))
    difference = (losses[1]["total"] - losses[0]["total"]).item()
    assert difference == pytest.approx(0.5 * 0.7 * losses[0]["fake_entropy"].item(), rel=1e-4)


def test_catgan_moves_entropies_the_right_way() -> None:
    """One step of the discriminator: surer of real images, less sure of fake ones; of the generator: the other way."""
    from ssgan.training.optimizers import make_optimizers
    from ssgan.training.step import run_step

    method, b = build("categorical_gan", ramp_steps=1, learning_rate=1e-3), batch()
    method.init(b)
    generator = {k: v.clone() for k, v in method.nets["generator"].state_dict().items()}
    optimizers, phases = make_optimizers(method), method.phases()
    before = {k: v.item() for k, v in phases[0].loss(b).items()}
    for _ in range(30):
        run_step(method, {**optimizers}, b)
        method.nets["generator"].load_state_dict(generator)
    after = {k: v.item() for k, v in phases[0].loss(b).items()}
    assert after["unlabeled_entropy"] < before["unlabeled_entropy"]
    assert after["fake_entropy"] > before["fake_entropy"]
    discriminator = {k: v.clone() for k, v in method.nets["classifier"].state_dict().items()}
    before = {k: v.item() for k, v in phases[1].loss(b).items()}
    for _ in range(30):
        run_step(method, optimizers, b)
        method.nets["classifier"].load_state_dict(discriminator)
    assert phases[1].loss(b)["fake_entropy"].item() < before["fake_entropy"]
