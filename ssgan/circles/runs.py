"""One method on the two circles: the same step, streams and average of weights as on images, without the pipeline around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ssgan import methods
from ssgan.circles.points import POINT, RADII, Circles, on_a_circle
from ssgan.config import NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.core.seeds import fold
from ssgan.data.sampler import Stream
from ssgan.training.ema import Average
from ssgan.training.loop import linear_tail
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

NET = NetConfig(family="mlp", width=0.2, noise=0.0, latent_dim=8)  # noise would be wider than the gap between the circles
UNLABELED = 100  # points a step
TAIL = 0.4
HALFLIFE = 0.02  # of the average of weights, as a share of the steps
SIDE = 120  # the map of predictions has SIDE x SIDE places
SHOWN = 400  # generated points


@dataclass(frozen=True)
class Variant:
    """One method of the comparison."""

    title: str
    method: str
    options: dict[str, Any]


VARIANTS = (
    Variant("labels alone", "supervised", {}),
    Variant("generator that imitates", "implicit_fake", {}),
    Variant("complement generator", "bad_gan", {}),
)


@dataclass(frozen=True)
class Snapshot:
    """The predictions of the averaged classifier at a step, and the generated points."""

    step: int  # updates done
    error_rate: float  # on the test points
    inner_probability: Tensor  # (SIDE, SIDE) probability of the inner circle; rows from y = 0 up
    fake: Tensor | None  # (SHOWN, 2) generated points
    on_a_circle: float | None  # share of these points


def train(variant: Variant, data: Circles, steps: int, seed: int, frames: int = 1) -> list[Snapshot]:
    """Train on the circles.

    Returns:
        ``frames`` snapshots at even distances, the last one after the last step. The same arguments give the same ones.

    Raises:
        TrainingError: a loss or a gradient is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fold(seed, "weights"))
        model = methods.build(
            variant.method, methods.resolve_config(variant.method, variant.options), Problem(POINT, len(RADII), NET)
        )
        first = Batch(data.x_l, data.y_l, data.x, data.x, 0, fold(seed, "init"))
        model.nets.train()
        model.init(first)
        optimizers = make_optimizers(model)
        average = Average({name: model.nets[name] for name in model.averaged}, HALFLIFE * steps)
        wanted = {round(steps * (frame + 1) / frames) for frame in range(frames)}
        snapshots = []
        for step in range(steps):
            run_step(model, optimizers, _batch(data, step, seed), linear_tail(step, steps, TAIL))
            average.update()
            if step + 1 in wanted:
                with average.applied(), torch.random.fork_rng(devices=[]):
                    snapshots.append(_snapshot(model, data, step + 1, seed))
    return snapshots


def _batch(data: Circles, step: int, seed: int) -> Batch:
    labels, points = len(data.y_l), len(data.x)
    labeled = Stream(labels, labels, seed, "labeled").indices(step)
    one, two = (Stream(points, UNLABELED, seed, name).indices(step) for name in ("unlabeled", "unlabeled2"))
    return Batch(data.x_l[labeled], data.y_l[labeled], data.x[one], data.x[two], step, fold(seed, "step", step))


@torch.no_grad()
def _snapshot(model: SemiSupervisedMethod, data: Circles, step: int, seed: int) -> Snapshot:
    torch.manual_seed(fold(seed, "look"))  # the same latents in every frame, so that points move instead of flicker
    model.nets.eval()
    error_rate = float((model.predict(data.x_test).argmax(1) != data.y_test).float().mean())
    places = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(places, places, indexing="ij")
    inner_probability = model.predict(torch.stack([x, y], -1).view(-1, *POINT.shape)).softmax(1)[:, 1].view(SIDE, SIDE)
    fake = model.sample(SHOWN)
    model.nets.train()
    if fake is None:
        return Snapshot(step, error_rate, inner_probability, None, None)
    return Snapshot(step, error_rate, inner_probability, fake.flatten(1), on_a_circle(fake))
