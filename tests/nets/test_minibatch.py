"""Minibatch discrimination against the formulas of Salimans et al. 2016, section 3.2, written with loops in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssgan import nets
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core import distributed
from ssgan.errors import ConfigError
from ssgan.nets.layers import couples_the_batch, forward_parts
from ssgan.nets.minibatch import MOMENTUM, MinibatchDiscrimination, add_minibatch_discrimination, update_neighbors
from ssgan.nets.weight_norm import data_dependent_init
from tests.support.methods import batch, build
from tests.support.ranks import run_ranks

RANDOM = np.random.default_rng(0)


def tensor(a: np.ndarray) -> Tensor:
    return torch.tensor(a, dtype=torch.float32)


def closeness(layer: MinibatchDiscrimination, x: np.ndarray) -> np.ndarray:
    """sum_{j != i} exp(-sum_c |M_ibc - M_jbc|) by loops: (N, A) -> (N, B)."""
    t, s = layer.weight.detach().double().numpy(), layer.log_scale.detach().double().numpy()
    _, kernels, dims = t.shape
    o = np.zeros((len(x), kernels))
    for b in range(kernels):
        unit = [t[:, b, c] / np.sqrt((t[:, b, c] ** 2).sum()) * np.exp(s[b, c]) for c in range(dims)]
        for i in range(len(x)):
            for j in range(len(x)):
                if i != j:
                    o[i, b] += np.exp(-sum(abs(x[i] @ unit[c] - x[j] @ unit[c]) for c in range(dims)))
    return o


def layer_for_tests() -> MinibatchDiscrimination:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(6, 4, 3)
    with torch.no_grad():
        layer.log_scale.normal_()
        layer.bias.normal_()
    return layer


def test_closeness_is_the_sum_over_the_other_images() -> None:
    layer, x = layer_for_tests(), RANDOM.normal(size=(5, 6))
    found = layer(tensor(x)).detach().double().numpy()
    np.testing.assert_allclose(found[:, :6], x, rtol=1e-6)
    np.testing.assert_allclose(found[:, 6:], closeness(layer, x) + layer.bias.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_initialization_looks_at_the_nearest_image() -> None:
    """Half the mean distance from the nearest other image becomes 1, the mean of o becomes 0 (the authors' code)."""
    layer, x = layer_for_tests(), tensor(RANDOM.normal(size=(30, 6)))
    data_dependent_init(layer, x)
    o = layer(x)[:, 6:]
    torch.testing.assert_close(o.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    m = torch.einsum("na,abc->nbc", x, layer.weight / layer.weight.norm(dim=0) * layer.log_scale.exp()).detach().numpy()
    for b in range(4):
        nearest = [min(np.abs(m[i, b] - m[j, b]).sum() for j in range(30) if j != i) for i in range(30)]
        assert np.mean(nearest) / 2 == pytest.approx(1.0, rel=1e-4)
    np.testing.assert_allclose(layer.neighbors.numpy(), closeness(layer, x.double().numpy()).mean(0), rtol=1e-4)
    o_in_evaluation = layer.eval()(x)[:, 6:]
    torch.testing.assert_close(o_in_evaluation, torch.zeros(30, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", [name for name in nets.names() if name != "head"])
def test_every_family_can_look_at_its_batch(family: str) -> None:
    problem = Problem(ImageSpec(3, 32, "fit"), 5, NetConfig(family=family, width=0.1, latent_dim=12))
    classifier = nets.family(family).classifier(problem, 5)
    add_minibatch_discrimination(classifier, 4, 2)
    x = torch.rand(6, *problem.image.shape)
    data_dependent_init(classifier, x)
    assert couples_the_batch(classifier)
    assert classifier(x).logits.shape == (6, 5)
    assert classifier.features(x).shape == classifier(x).features.shape
    alone = classifier.eval()(x[:1])
    torch.testing.assert_close(classifier(x).logits[:1], alone.logits, rtol=1e-4, atol=1e-5)


def test_an_unsuitable_family_is_named() -> None:
    with pytest.raises(ConfigError, match="minibatch_kernels"):
        add_minibatch_discrimination(nn.Linear(3, 3), 4, 2)


def test_labeled_unlabeled_and_fake_images_never_share_a_batch() -> None:
    method, b = build("feature_matching", minibatch_kernels=5), batch()
    net = method.nets["classifier"]
    method.init(b)
    (labeled, unlabeled), together = forward_parts(net, b.x_l, b.x_u), net(torch.cat([b.x_l, b.x_u]))
    assert torch.equal(labeled.logits, net(b.x_l).logits)
    assert torch.equal(unlabeled.logits, net(b.x_u).logits)
    assert not torch.allclose(labeled.logits, together.logits[:6], atol=1e-4)


def gradients_of_a_part() -> tuple[Tensor, list[Tensor]]:
    """On every rank: o of its part of a batch of 8, and the gradients of the mean over the global batch of a loss of it."""
    layer, x = layer_for_tests(), torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    part = x.chunk(distributed.world_size())[distributed.rank()]
    o = layer(part)
    gradients = list(torch.autograd.grad(o.square().sum(1).mean(), list(layer.parameters())))
    distributed.average_(gradients)
    return o.detach(), gradients


def test_the_batch_is_the_global_one(tmp_path: Path) -> None:
    o, gradients = gradients_of_a_part()
    parts = run_ranks(gradients_of_a_part, 2, tmp_path)
    torch.testing.assert_close(torch.cat([p[0] for p in parts]), o)
    for _, found in parts:
        torch.testing.assert_close(found, gradients, rtol=1e-4, atol=1e-5)


def test_only_unlabeled_images_after_a_step_are_remembered() -> None:
    method, b = build("feature_matching", minibatch_kernels=5), batch()
    method.init(b)
    classifier = method.nets["classifier"]
    layer = next(m for m in classifier.modules() if isinstance(m, MinibatchDiscrimination))
    before = layer.neighbors.clone()
    for phase in method.phases():
        phase.loss(b)
    assert torch.equal(layer.neighbors, before)
    x_u = torch.rand(9, 1, 6, 6)
    update_neighbors(classifier, x_u)
    now = closeness(layer, classifier(x_u).features.detach().double().numpy()).mean(0)
    np.testing.assert_allclose(layer.neighbors.numpy(), (1 - MOMENTUM) * before.numpy() + MOMENTUM * now, rtol=1e-4)
    method.after_step(b)
    assert not layer.tracking
    now2 = closeness(layer, classifier(b.x_u).features.detach().double().numpy()).mean(0)
    expected = (1 - MOMENTUM) * ((1 - MOMENTUM) * before.numpy() + MOMENTUM * now) + MOMENTUM * now2
    np.testing.assert_allclose(layer.neighbors.numpy(), expected, rtol=1e-4)
