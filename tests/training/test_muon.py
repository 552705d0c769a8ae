"""Muon against the formula written with a singular value decomposition, and where it is used."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ssgan.data.files import SplitFiles
from ssgan.nets.minibatch import add_minibatch_discrimination
from ssgan.nets.weight_norm import WeightNormConv2d, WeightNormLinear
from ssgan.training import experiment
from ssgan.training.optimizers import MOMENTUM, MuonAdam, hidden_weights, make_optimizers, orthogonalized
from ssgan.training.roles import role_method
from ssgan.training.step import run_step
from tests.support.data import config, context, run_of, short
from tests.support.methods import stepped


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8), (3, 6, 20), (3, 20, 6)])
def test_orthogonalized_keeps_singular_vectors_and_evens_singular_values(shape: tuple[int, ...]) -> None:
    g = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u, s, vh = torch.linalg.svd(g, full_matrices=False)
    assert float((s[..., 0] / s[..., -1]).min()) > 2, "nothing to even out"
    inside = u.mT @ orthogonalized(g) @ vh.mT  # in the basis of the singular vectors: diagonal, near 1
    values = torch.diagonal(inside, dim1=-2, dim2=-1)
    torch.testing.assert_close(inside, torch.diag_embed(values), atol=1e-6, rtol=0)
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.25


def test_a_step_is_momentum_unit_length_and_a_turn() -> None:
    torch.manual_seed(0)
    layer = WeightNormConv2d(2, 3, 3)
    optimizer = MuonAdam([layer], [layer.bias], lr=0.01, rate=0.2, fused=True)
    v, momentum = layer.weight.detach().flatten(1).clone(), torch.zeros(3, 18)
    for step in range(3):
        g = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(step))
        layer.weight.grad, layer.bias.grad = g.clone(), torch.ones(3)
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 - step / 4)
        optimizer.step()
        momentum = MOMENTUM * momentum + g.flatten(1)
        turn = orthogonalized(g.flatten(1) + MOMENTUM * momentum)
        v = v * 3**0.5 / v.norm() - 0.2 * (1 - step / 4) * turn
        torch.testing.assert_close(layer.weight.detach().flatten(1), v)
    torch.testing.assert_close(layer.bias.detach(), torch.full((3,), -0.01 * (1 + 0.75 + 0.5)), rtol=1e-3, atol=0)  # Adam


def test_runs_of_a_stack_turn_alone() -> None:
    torch.manual_seed(0)
    layers = [WeightNormLinear(5, 4) for _ in range(3)]
    stacked = copy.deepcopy(layers[0])
    stacked.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
    gradients = torch.randn(3, 4, 5)

    def stepped(layer: WeightNormLinear, gradient: Tensor) -> Tensor:
        layer.weight.grad = gradient.clone()
        optimizer = MuonAdam([layer], [layer.bias], lr=0.01, rate=0.1)
        optimizer.leading = gradient.ndim - 2
        optimizer.step()
        return layer.weight.detach()

    together = stepped(stacked, gradients)
    for i, layer in enumerate(layers):
        torch.testing.assert_close(together[i], stepped(layer, gradients[i]))


def test_the_last_layer_is_none_of_them() -> None:
    net = nn.Module()
    net.first, net.output = WeightNormLinear(3, 4), WeightNormLinear(4, 2)
    assert hidden_weights(net) == [net.first]
    assert hidden_weights(nn.Linear(2, 2)) == []


def test_the_last_layer_is_none_of_them_behind_minibatch_discrimination_either() -> None:
    net = nn.Module()
    net.first, net.output = WeightNormLinear(3, 4), WeightNormLinear(4, 2)
    add_minibatch_discrimination(net, kernels=2, dims=2)
    assert hidden_weights(net) == [net.first]


@pytest.mark.parametrize("name", [name for name in stepped() if name != "gan"])  # whose classifier has one layer
def test_every_method_takes_it_for_its_classifier_only(name: str, splits: SplitFiles) -> None:
    def moved_by(**options: float) -> dict[str, Tensor]:
        trainer, batches = experiment.prepared(
            run_of(config(method=short(name, **options)), splits), "main", context(Path(splits.root))
        )
        before = {k: v.detach().clone() for k, v in trainer.method.nets.named_parameters()}
        run_step(trainer.method, trainer.optimizers, next(batches.iterate(10, 11)))
        return {k: v.detach() - before[k] for k, v in trainer.method.nets.named_parameters()}

    adam, muon = moved_by(muon_rate=0.0), moved_by(muon_rate=0.05)
    trainer, _ = experiment.prepared(run_of(config(method=short(name)), splits), "main", context(Path(splits.root)))
    key = trainer.method.classifier
    layers = {id(layer.weight) for layer in hidden_weights(trainer.method.nets[key])}
    hidden = {k for k, p in trainer.method.nets.named_parameters() if id(p) in layers}
    assert hidden
    for k in hidden:
        assert float((muon[k] - adam[k]).abs().max()) > 1e-4, k


def test_the_twin_takes_it_too(splits: SplitFiles) -> None:
    c = config(method=short("teacher_gan"))
    main, twin = (role_method(c, role)[1] for role in ("main", "twin"))
    assert twin.muon_rate == main.muon_rate > 0
    name, _ = role_method(c, "twin")
    trainer, _ = experiment.prepared(run_of(c, splits), "twin", context(Path(splits.root)))
    assert name == "supervised"
    assert [type(o) for o in make_optimizers(trainer.method).values()] == [MuonAdam]
