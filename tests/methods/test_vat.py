"""Virtual adversarial training against formulas that are worked out without it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.seeds import fold
from ssgan.methods import vat
from ssgan.nets.layers import Classifier, GaussianNoise, Out, same_noise


class Linear(Classifier):
    """Logits W x + b, with noise of the input if asked for."""

    def __init__(self, inputs: int, outputs: int, sigma: float = 0.0) -> None:
        super().__init__()
        self.noise = GaussianNoise(sigma)
        self.map = nn.Linear(inputs, outputs)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Out:
        h = self.noise(x.flatten(1))
        self.seen.append((h - x.flatten(1)).detach())
        return Out(h, self.map(h))


def build(**options: Any) -> vat.Method:
    torch.manual_seed(0)
    problem = Problem(ImageSpec(1, 4, "fit"), 3, NetConfig(width=0.05))
    method = methods.build("vat", methods.resolve_config("vat", options), problem)
    assert isinstance(method, vat.Method)
    return method


def batch() -> Batch:
    g = torch.Generator().manual_seed(1)
    x_l, x_u = (torch.rand(n, 1, 4, 4, generator=g) for n in (3, 5))
    return Batch(x_l, torch.tensor([0, 1, 2]), x_u, x_u[:0], 5, 7)


def kl(p: Tensor, q: Tensor) -> Tensor:
    return sum((p[:, k] * (p[:, k] / q[:, k]).log() for k in range(p.shape[1])), torch.zeros(()))


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_step_is_that_of_the_power_method_on_the_hessian(iterations: int) -> None:
    """For logits W x + b the second derivative of the divergence at r = 0 is W^T (diag p - p p^T) W."""
    method, b = build(epsilon=1.5, xi=1e-2, power_iterations=iterations), batch()
    method.nets["classifier"] = net = Linear(16, 3)
    x = torch.cat([b.x_l, b.x_u])
    logits = net(x).logits.detach()
    found = method.adversarial_step(x, logits, b).flatten(1)
    p, w = logits.softmax(1), net.map.weight.detach()
    hessian = w.T @ (torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)) @ w  # (N, 16, 16)
    d = torch.cat([vat.random_direction(part, fold(b.seed, "vat", i)) for i, part in enumerate((b.x_l, b.x_u))]).flatten(1)
    for _ in range(iterations):
        d = torch.einsum("nij,nj->ni", hessian, d)
        d = d / d.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, 1.5 * d, rtol=1e-2, atol=1e-2)


def test_directions_are_of_length_one_and_differ() -> None:
    d = vat.random_direction(torch.zeros(64, 1, 8, 8), 3).flatten(1)
    torch.testing.assert_close(d.norm(dim=1), torch.ones(64))
    assert (d @ d.T - torch.eye(64)).abs().max() < 0.7
    assert d.mean().abs() < 0.01


def test_the_step_has_length_epsilon_also_where_the_answer_is_sure() -> None:
    method, b = build(epsilon=0.7), batch()
    method.nets["classifier"] = net = Linear(16, 3)
    with torch.no_grad():
        net.map.weight.mul_(100)
    x = torch.cat([b.x_l, b.x_u])
    step = method.adversarial_step(x, net(x).logits.detach(), b)
    torch.testing.assert_close(step.flatten(1).norm(dim=1), torch.full((8,), 0.7))
    tiny = vat.unit(torch.full((1, 1, 4, 4), 1e-30))
    torch.testing.assert_close(tiny, torch.full((1, 1, 4, 4), 0.25))


def test_terms_are_those_of_the_paper() -> None:
    method, b = build(vat_weight=2.0, entropy_weight=0.5, balance_weight=0.25), batch()
    method.nets["classifier"] = net = Linear(16, 3)
    found = {name: value.item() for name, value in method.classifier_loss(b).items()}
    x = torch.cat([b.x_l, b.x_u])
    logits = net(x).logits
    step = method.adversarial_step(x, logits.detach(), b)
    p, q = logits.softmax(1), net(x + step).logits.softmax(1)
    assert found["vat"] == pytest.approx(kl(p, q).mean().item(), rel=1e-5)
    assert found["entropy"] == pytest.approx(-(p[3:] * p[3:].log()).sum(1).mean().item(), rel=1e-5)
    assert found["balance"] == pytest.approx(-p[3:].mean(0).log().mean().item(), rel=1e-5)
    assert found["labeled"] == pytest.approx(-p[range(3), [0, 1, 2]].log().mean().item(), rel=1e-5)
    total = found["labeled"] + 2 * found["vat"] + 0.5 * found["entropy"] + 0.25 * found["balance"]
    assert found["total"] == pytest.approx(total, rel=1e-5)


def test_no_gradient_passes_through_the_target_and_the_step() -> None:
    """d/dW of mean_n KL(p || softmax(W (x + r) + b)) with p and r constants is mean_n (q - p) (x + r)^T."""
    method, b = build(), batch()
    method.nets["classifier"] = net = Linear(16, 3)
    (found,) = torch.autograd.grad(method.classifier_loss(b)["vat"], net.map.weight)
    x = torch.cat([b.x_l, b.x_u])
    logits = net(x).logits.detach()
    moved = x + method.adversarial_step(x, logits, b)
    difference = net(moved).logits.detach().softmax(1) - logits.softmax(1)
    torch.testing.assert_close(found, difference.T @ moved.flatten(1) / 8, rtol=1e-4, atol=1e-6)


def test_all_passes_of_a_step_have_the_same_noise_and_other_steps_another() -> None:
    method, b = build(power_iterations=2), batch()
    method.nets["classifier"] = net = Linear(16, 3, sigma=0.5)
    torch.manual_seed(3)
    method.classifier_loss(b)
    after = torch.rand(())
    first = net.seen
    assert len(first) == 4, "clean, two probes, moved"
    assert first[0].std() > 0.3
    for other in first[1:]:
        torch.testing.assert_close(other, first[0])
    net.seen = []
    method.classifier_loss(Batch(b.x_l, b.y_l, b.x_u, b.x_u2, 6, 8))
    assert not torch.allclose(net.seen[0], first[0])
    torch.manual_seed(3)
    assert torch.equal(torch.rand(()), after), "the step's own random numbers are left as they were"


def test_same_noise_holds_dropout_too() -> None:
    dropout, x = nn.Dropout(0.5), torch.ones(100)
    with same_noise(1, x.device):
        a = dropout(x)
    with same_noise(1, x.device):
        b = dropout(x)
    with same_noise(2, x.device):
        c = dropout(x)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
