"""Gradient clipping: against the formula, and that it keeps a step from running away."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ssgan.training.optimizers import clip_gradients_


def adam_on(*parameters: nn.Parameter, lr: float = 0.01, beta2: float = 0.9) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=lr, betas=(0.5, beta2), fused=True)


def stepped(adam: torch.optim.Adam, parameters: list[nn.Parameter], gradients: list[torch.Tensor]) -> None:
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone()
    adam.step()


def lengths(gradients: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float(x) ** 2 for g in gradients for x in g.flatten()))


def test_a_long_gradient_gets_clip_times_the_root_mean_square_of_those_before() -> None:
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(4))]
    adam, beta2, past = adam_on(*parameters, beta2=0.9), 0.9, []
    for _ in range(5):
        gradients = [torch.randn_like(p) for p in parameters]
        stepped(adam, parameters, gradients)
        past.append(lengths(gradients))
    # the weighted mean that Kingma & Ba 2015, section 3, correct for: sum_i (1 - b) b^(t-i) g_i^2 / (1 - b^t)
    weights = [(1 - beta2) * beta2 ** (len(past) - 1 - i) for i in range(len(past))]
    usual = math.sqrt(sum(w * length**2 for w, length in zip(weights, past, strict=True)) / (1 - beta2 ** len(past)))
    long = [50 * torch.randn_like(p) for p in parameters]
    before = [g.clone() for g in long]
    clip_gradients_(parameters, long, adam, 1.5)
    assert lengths(long) == pytest.approx(1.5 * usual, rel=1e-5)
    for g, b in zip(long, before, strict=True):
        torch.testing.assert_close(g / g.norm(), b / b.norm())


def test_gradients_of_usual_length_stay_as_they_are() -> None:
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(6))]
    adam, gradient = adam_on(*parameters), torch.randn(6)
    for factor in (1.0, -1.0, 1.99):
        now = [factor * gradient]
        clip_gradients_(parameters, now, adam, 2.0)
        assert torch.equal(now[0], factor * gradient)
        stepped(adam, parameters, [gradient])


@pytest.mark.parametrize("past", [[], [torch.zeros(6)]])
def test_without_a_length_to_go_by_nothing_is_shortened(past: list[torch.Tensor]) -> None:
    """Else a phase whose first gradients are 0 would never move."""
    parameters = [nn.Parameter(torch.randn(6))]
    adam = adam_on(*parameters)
    for gradient in past:
        stepped(adam, parameters, [gradient])
    now = [torch.ones(6)]
    clip_gradients_(parameters, now, adam, 2.0)
    assert torch.equal(now[0], torch.ones(6))


def test_swings_across_a_valley_stay_small() -> None:
    """f(x) = 50 x^2: the gradients fade, Adam's memory of them too, and the step that it then takes is too long."""

    def widest(clip: float | None) -> float:
        x = nn.Parameter(torch.tensor([1e-6]))
        adam, places = adam_on(x, beta2=0.999), []
        for _ in range(3000):
            gradients = [100 * x.detach()]
            if clip is not None:
                clip_gradients_([x], gradients, adam, clip)
            stepped(adam, [x], gradients)
            places.append(abs(x.item()))
        return max(places[1500:])

    assert widest(None) > 4 * widest(2.0)
