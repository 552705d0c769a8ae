"""Triple-GAN and UGAN against the formulas, with the networks' outputs taken as they are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ssgan.players.three import ThreePlayerMethod, pair
from tests.support.methods import batch, build

NO_PRETRAINING = {"pretrain_steps": 0, "generated_start": 0}


def triple(name: str = "triple_gan", **options: object) -> ThreePlayerMethod:
    method = build(name, **{**NO_PRETRAINING, **options})
    method.init(batch())
    assert isinstance(method, ThreePlayerMethod)
    return method


def test_generated_classes_are_balanced_and_stand_behind_the_latent() -> None:
    method = triple()
    z, y = method.conditional_latent(batch(), "generator")
    assert z.shape == (10, 100 + 3)
    assert torch.equal(z[:, 100:].argmax(1), y)
    assert torch.bincount(y).tolist() == [4, 3, 3]


def test_the_discriminator_sums_over_all_classes_of_the_classifier() -> None:
    method, b = triple(labeled_pair_share=0.25), batch()
    found = method.discriminator_loss(b)
    z, y = method.conditional_latent(b, "discriminator")
    with torch.no_grad():
        p = method.net(b.x_u).logits.softmax(1)
        s = method.discriminator(b.x_u).logits
        classified = sum(p[i, k] * F.softplus(s[i, k]) for i in range(10) for k in range(3)) / 10
        real = 0.25 * F.softplus(-pair(method.discriminator(b.x_l).logits, b.y_l)).mean()
        said = method.net(b.x_u2).logits.argmax(1)
        real = real + 0.75 * F.softplus(-pair(method.discriminator(b.x_u2).logits, said)).mean()
        generated = F.softplus(pair(method.discriminator(method.generator(z)).logits, y)).mean()
    torch.testing.assert_close(found["total"], real + 0.5 * generated + 0.5 * classified)


def test_the_classifier_is_reached_through_its_probabilities_only() -> None:
    method = triple(entropy_weight=0.0, balance_weight=0.0, generated_weight=0.0, adversarial_weight=2.0)
    b = batch()
    found = method.classifier_loss(b)
    with torch.no_grad():
        costs = F.softplus(-method.discriminator(b.x_u).logits)
        ce = F.cross_entropy(method.net(b.x_l).logits, b.y_l)
        expected = ce + (method.net(b.x_u).logits.softmax(1) * costs).sum(1).mean()
    torch.testing.assert_close(found["total"], expected)
    parameters = list(method.discriminator.parameters())
    assert all(g is None for g in torch.autograd.grad(found["total"], parameters, allow_unused=True))


@pytest.mark.parametrize("name", ["triple_gan", "ugan"])
def test_the_classifier_learns_alone_at_first(name: str) -> None:
    from ssgan.training.optimizers import make_optimizers
    from ssgan.training.step import run_step

    method = triple(name, pretrain_steps=4, generated_start=6)
    optimizers = make_optimizers(method)
    logged = {step: set(run_step(method, optimizers, batch(step))) for step in (3, 4, 6)}
    assert not {k for k in logged[3] if k.startswith(("discriminator/", "generator/"))}
    assert "classifier/adversarial" not in logged[3]
    assert {"discriminator/total", "generator/total", "classifier/adversarial"} <= logged[4]
    assert "classifier/generated" not in logged[4]
    assert "classifier/generated" in logged[6]


@pytest.mark.parametrize("name", ["triple_gan", "ugan"])
def test_the_classifier_has_a_rate_of_its_own(name: str) -> None:
    """The first update of Adam moves what has a gradient by the rate."""
    from ssgan.training.optimizers import make_optimizers
    from ssgan.training.step import run_step

    method = triple(name, learning_rate=1e-3, classifier_learning_rate=1e-5, beta1=0.6, classifier_beta1=0.7)
    optimizers = make_optimizers(method)
    biases = {key: net.get_parameter("output.bias").detach() for key, net in method.nets.items()}
    before = {key: bias.clone() for key, bias in biases.items()}
    run_step(method, optimizers, batch(0))
    moved = {
        key: (net.get_parameter("output.bias").detach() - before[key]).abs().max().item() for key, net in method.nets.items()
    }
    assert moved.pop("classifier") == pytest.approx(1e-5, rel=0.05)
    assert all(step == pytest.approx(1e-3, rel=0.05) for step in moved.values()), moved
    betas = {key: optimizer.param_groups[0]["betas"][0] for key, optimizer in optimizers.items()}
    assert betas == {key: 0.7 if key == "classifier" else 0.6 for key in method.nets}


def test_ugan_adds_the_bad_generator_to_triple_gan() -> None:
    ugan, b = triple("ugan", bad_weight=3.0, adversarial_weight=1.0), batch()
    plain = triple(adversarial_weight=1.0)
    for name in plain.nets:
        plain.nets[name].load_state_dict(ugan.nets[name].state_dict())
    found = ugan.classifier_loss(b)
    x_bad = ugan.nets["bad_generator"](ugan.latent(b, "classifier-bad"))
    with torch.no_grad():
        z_u = ugan.net(b.x_u).logits.exp().sum(1)
        z_bad = ugan.net(x_bad).logits.exp().sum(1)
        extra = 0.5 * -(z_u / (z_u + 1)).log().mean() + 0.5 * -(1 / (z_bad + 1)).log().mean()
    torch.testing.assert_close(found["total"], plain.classifier_loss(b)["total"] + 3.0 * extra)
