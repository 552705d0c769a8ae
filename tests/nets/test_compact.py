"""The convolutional classifier: what it does to be fast on a CPU changes nothing but rounding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.nets import compact
from ssgan.nets.compact import Classifier, Stage
from ssgan.nets.weight_norm import data_dependent_init

PROBLEM = Problem(ImageSpec(3, 32, "fit"), 5, NetConfig(family="compact", width=0.25, noise=0.0))


def built() -> Classifier:
    torch.manual_seed(0)
    return compact.classifier(PROBLEM, 5).train()


def in_parts(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "PASS_PIXELS", rows * 32 * 32)


def test_passes_of_few_images_are_one_pass_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, sizes = built().double(), torch.rand(11, 3, 32, 32, dtype=torch.float64), []
    data_dependent_init(net, x)
    net.stages[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))

    def passed() -> tuple[torch.Tensor, ...]:
        logits = net(x).logits
        return logits, *torch.autograd.grad(logits.square().sum(), list(net.parameters()))

    whole = passed()
    in_parts(4, monkeypatch)
    for a, b in zip(passed(), whole, strict=True):
        torch.testing.assert_close(a, b)
    assert sizes == [11, 4, 4, 3]


def test_initialization_sees_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    net, other, x = built(), built(), torch.rand(12, 3, 32, 32)
    data_dependent_init(net, x)
    in_parts(5, monkeypatch)
    data_dependent_init(other, x)
    for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_an_image_larger_than_a_pass_goes_through_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts(0, monkeypatch)
    assert built()(torch.rand(3, 3, 32, 32)).logits.shape == (3, 5)


def test_the_activation_behind_the_pooling_is_that_before_it() -> None:
    torch.manual_seed(0)
    stage, x = Stage(3, 8, pool=True, noise=0.0), torch.randn(6, 3, 16, 16, requires_grad=True)
    hidden = F.leaky_relu(stage.conv1(x), compact.LEAK)
    before = F.max_pool2d(F.leaky_relu(stage.conv2(hidden), compact.LEAK), 2)
    assert torch.equal(stage(x), before)
    weight = torch.randn_like(before)
    (expected,) = torch.autograd.grad((before * weight).sum(), x)
    (found,) = torch.autograd.grad((stage(x) * weight).sum(), x)
    torch.testing.assert_close(found, expected)
