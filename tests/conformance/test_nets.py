"""What every family of networks must keep, for every file in ssgan/nets."""

from __future__ import annotations

import pytest
import torch

from ssgan import nets
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.errors import ConfigError
from ssgan.nets.layers import couples_the_batch, forward_parts
from ssgan.nets.weight_norm import WeightNorm, data_dependent_init

SHAPES = [(1, 8), (1, 28), (3, 32), (3, 64)]


def problems(family: str) -> list[Problem]:
    """The shapes that a family can do, at small width."""
    found = []
    for channels, size in SHAPES:
        problem = Problem(ImageSpec(channels, size, "fit"), 5, NetConfig(family=family, width=0.25, latent_dim=12))
        try:
            nets.family(family).classifier(problem, 5)
        except ConfigError:
            continue
        found.append(problem)
    return found


@pytest.fixture(params=[name for name in nets.names() if name != "head"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_shapes_and_ranges(family: str) -> None:
    assert problems(family), "a family must do at least one of the usual shapes"
    for problem in problems(family):
        classifier, generator = nets.family(family).classifier(problem, 6), nets.family(family).generator(problem)
        x = torch.rand(4, *problem.image.shape)
        out = classifier(x)
        assert out.logits.shape == (4, 6)
        assert out.features.shape[0] == 4
        assert out.features.ndim == 2
        images = generator(torch.rand(4, 12))
        assert images.shape == x.shape
        assert images.min() >= 0
        assert images.max() <= 1


def test_features_are_what_forward_returns(family: str) -> None:
    problem = problems(family)[0]
    classifier = nets.family(family).classifier(problem, 6).eval()
    x = torch.rand(4, *problem.image.shape)
    assert torch.equal(classifier.features(x), classifier(x).features)


def test_noise_only_in_training_mode(family: str) -> None:
    problem = problems(family)[0]
    classifier = nets.family(family).classifier(problem, 6)
    x = torch.rand(4, *problem.image.shape)
    assert not torch.equal(classifier.train()(x).logits, classifier(x).logits), "regularised by noise or dropout"
    assert torch.equal(classifier.eval()(x).logits, classifier(x).logits)


def test_the_noise_can_be_turned_off(family: str) -> None:
    problem = problems(family)[0]
    quiet = Problem(problem.image, 5, problem.net.model_copy(update={"noise": 0.0}))
    classifier = nets.family(family).classifier(quiet, 6).train()
    x = torch.rand(4, *problem.image.shape)
    assert torch.equal(classifier(x).logits, classifier(x).logits)


def test_data_dependent_init_standardises_every_layer(family: str) -> None:
    """After initialisation, a pass of the same batch with the same noise has mean 0 and the chosen deviation per unit."""
    problem = problems(family)[0]
    classifier = nets.family(family).classifier(problem, 6)
    x = torch.rand(200, *problem.image.shape)
    torch.manual_seed(3)
    data_dependent_init(classifier, x)
    seen: dict[str, torch.Tensor] = {}
    for name, module in classifier.named_modules():
        if isinstance(module, WeightNorm):
            module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: o.detach().clone()}))
    torch.manual_seed(3)
    classifier.train()(x)
    assert seen
    for name, out in seen.items():
        layer = classifier.get_submodule(name)
        assert isinstance(layer, WeightNorm)
        std, mean = torch.std_mean(out, [d for d in range(out.ndim) if d != 1], correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-3, rtol=0)
        torch.testing.assert_close(std, torch.full_like(std, layer.init_scale or 0), atol=2e-3, rtol=2e-3)


def test_one_pass_equals_three(family: str) -> None:
    problem = problems(family)[0]
    classifier = nets.family(family).classifier(problem, 6).eval()
    parts = [torch.rand(n, *problem.image.shape) for n in (3, 5, 2)]
    for out, part in zip(forward_parts(classifier, *parts), parts, strict=True):
        torch.testing.assert_close(out.logits, classifier(part).logits, atol=1e-5, rtol=1e-4)


def test_classifiers_do_not_couple_the_batch(family: str) -> None:
    """Labeled, unlabeled and fake images go through in one pass only because nothing of one reaches another."""
    problem = problems(family)[0]
    assert not couples_the_batch(nets.family(family).classifier(problem, 6))
