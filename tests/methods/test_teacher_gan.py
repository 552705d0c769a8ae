"""Our combination, against the sum that its docstring writes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ssgan.core.augment import strong
from ssgan.core.method import SemiSupervisedMethod
from ssgan.core.seeds import fold
from tests.support.methods import batch, build, terms

TAU = 0.45  # so that some answers are sure and some are not


def consistency(method: SemiSupervisedMethod, step: int, tau: float, stroke: bool = False) -> float:
    """With the teacher's answers after prices, on strong views."""
    b = batch(step)
    with torch.no_grad():
        q = (method.nets["teacher"].eval()(b.x_u).logits - method.nets["balance"].prices).softmax(1)
        log_p = method.nets["classifier"](strong(b.x_u2, fold(b.seed, "strong"), stroke=stroke)).logits.log_softmax(1)
    sure, said = q.max(1)
    return -(log_p[range(len(said)), said] * (sure >= tau)).mean().item()


def labeled(method: SemiSupervisedMethod, step: int, stroke: bool = False) -> float:
    """Cross-entropy, every second image strongly changed."""
    b = batch(step)
    changed = strong(b.x_l, fold(b.seed, "labeled"), stroke=stroke)
    x = torch.stack([changed[i] if i % 2 == 0 else b.x_l[i] for i in range(len(b.x_l))])
    return F.cross_entropy(method.nets["classifier"](x).logits, b.y_l).item()


@pytest.mark.parametrize(("step", "ramp"), [(0, 0.0), (5, 0.5), (6, 0.6), (40, 1.0)])
def test_without_a_generator_the_total_is_labels_and_teacher(step: int, ramp: float) -> None:
    options = {"consistency_weight": 2, "ramp_steps": 10, "strong_labeled_steps": 6, "stroke_steps": 6}
    method = build("teacher_gan", unlabeled_weight=0, threshold=TAU, **options)
    with torch.no_grad():
        method.nets["balance"].get_buffer("prices").copy_(torch.linspace(-0.2, 0.2, method.problem.num_classes))
        for p in method.nets["teacher"].parameters():
            p.mul_(1.3)
    found = terms(method, batch(step))
    expected = consistency(method, step, TAU, stroke=step < 6)
    assert 0 < found["mask_share"] < 1
    assert found["consistency"] == pytest.approx(expected, rel=1e-5)
    plain = F.cross_entropy(method.predict(batch(step).x_l), batch(step).y_l).item()
    changed = labeled(method, step, stroke=step < 6)
    assert plain != pytest.approx(changed, rel=1e-3)
    assert found["labeled"] == pytest.approx(changed if step < 6 else plain, rel=1e-5)
    assert found["total"] == pytest.approx(found["labeled"] + ramp * 2 * expected, rel=1e-5)


def test_the_ablation_has_no_generator() -> None:
    method = build("teacher_gan", unlabeled_weight=0)
    assert "generator" not in method.nets
    assert [phase.name for phase in method.phases()] == ["discriminator"]
    assert method.sample(4) is None


def test_the_generator_joins_at_its_step() -> None:
    method = build(
        "teacher_gan",
        adversarial_start=8,
        adversarial_every=2,
        unlabeled_weight=0.6,
        ramp_steps=10,
        threshold=0.4,
        stroke_steps=8,
    )
    assert [(phase.start, phase.every) for phase in method.phases()] == [(0, 1), (8, 2)]
    assert [step for step in range(5, 12) if "fake" in terms(method, batch(step))] == [8, 10]
    b = replace(batch(8), x_l=torch.rand(6, 1, 6, 6))
    found = {k: v.item() for k, v in method.phases()[0].loss(b).items()}
    expected = consistency(method, 8, 0.4)
    with torch.no_grad():
        real = F.softplus(-method.predict(b.x_u).logsumexp(1)).mean().item()
    assert found["unlabeled_real"] == pytest.approx(real, rel=1e-5)
    adversarial = 0.6 * 0.5 * (real + found["fake"])
    assert found["total"] == pytest.approx(found["labeled"] + adversarial + 0.8 * expected, rel=1e-5)


def test_the_teacher_starts_as_the_classifier_and_follows_it() -> None:
    method = build("teacher_gan", teacher_decay=0.9)
    method.init(batch())
    student, teacher = method.nets["classifier"], method.nets["teacher"]
    before = [p.clone() for p in teacher.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, student.parameters(), strict=True))
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1.0)
    method.after_step(batch(step=50))
    for old, now in zip(before, teacher.parameters(), strict=True):
        torch.testing.assert_close(now, old + 0.1)


def test_prices_follow_what_the_teacher_said() -> None:
    method = build("teacher_gan", balance_rate=0.3, balance_tolerance=0.0, unlabeled_weight=0)
    b = batch(5)
    assert float(method.nets["balance"].get_buffer("prices").abs().max()) == 0
    method.phases()[0].loss(b)
    with torch.no_grad():
        mean = method.nets["teacher"].eval()(b.x_u).logits.softmax(1).mean(0)
    method.after_step(b)
    classes = len(mean)
    share = 0.9 / classes + 0.1 * mean
    expected = 0.3 * (classes * share - 1)
    torch.testing.assert_close(method.nets["balance"].prices, expected - expected.mean())
