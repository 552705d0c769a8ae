"""Methods, batches and steps of random images on a device, without a data set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from ssgan import methods
from ssgan.config import FeatureSpec, ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.core.seeds import fold
from ssgan.nets.layers import Dropout, GaussianNoise
from ssgan.players.fitted import FittedMethod
from ssgan.training.checkpoint import Trainer
from ssgan.training.ema import Average
from ssgan.training.finite import Watch
from ssgan.training.graphs import Graphs
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

CLASSES, SEED = 10, 0


class Setting(NamedTuple):
    """Where it runs.

    Attributes:
        device: a GPU; or the CPU, for a dry run.
        dry: everything as small as can be.
        deadline: by ``time.perf_counter``.
    """

    device: torch.device
    dry: bool
    deadline: float

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def late(self) -> bool:
        return time.perf_counter() > self.deadline

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class Case:
    """A method with its networks: images (C, S, S), or feature vectors (P,), and how many of them in a batch."""

    method: str
    family: str
    shape: tuple[int, ...]
    width: float = 1.0
    labeled: int = 100
    unlabeled: int = 100
    quick: bool = False  # what begins after thousands of steps begins after five

    @property
    def problem(self) -> Problem:
        given = FeatureSpec(self.shape[0]) if len(self.shape) == 1 else ImageSpec(self.shape[0], self.shape[1], "fit")
        return Problem(given, CLASSES, NetConfig(family=self.family, width=self.width))

    @property
    def options(self) -> dict[str, Any]:
        keys = methods.module(self.method).Config.model_fields
        sizes = {"batch_size": self.unlabeled, "labeled_batch_size": self.labeled}
        starts = {key: 5 for key in keys if key.endswith(("_start", "pretrain_steps"))}
        return sizes | (starts | {key: 1 for key in keys if key.endswith("_every")} if self.quick else {})

    def batch(self, step: int, device: torch.device) -> Batch:
        """Random images, a function of the step: the same on every device."""
        of = methods.module(self.method).Method
        random = torch.Generator().manual_seed(fold(SEED, "images", step))
        second = of.second_view or of.unlabeled_streams > 1
        sizes = (self.labeled, self.unlabeled * bool(of.unlabeled_streams), self.unlabeled * second)
        y = torch.randint(CLASSES, (self.labeled,), generator=random)
        x_l, x_u, x_u2 = (torch.rand(n, *self.shape, generator=random) for n in sizes)
        x_l, y, x_u, x_u2 = (x.to(device) for x in (x_l, y, x_u, x_u2))
        return Batch(x_l, y, x_u, x_u2, step, fold(SEED, "step", step))

    def built(self, device: torch.device, *, quiet: bool = False) -> Trainer:
        """Initialized on the CPU, so that every device begins with the same weights. ``quiet``: no noise and no dropout."""
        torch.manual_seed(SEED)
        method = methods.build(self.method, methods.resolve_config(self.method, self.options), self.problem)
        method.nets.train()
        method.init(replace(self.batch(-1, torch.device("cpu")), step=-1))
        if quiet:
            silence(method)
        method.nets.to(device)
        average = Average({key: method.nets[key] for key in method.averaged}, 1000.0)
        return Trainer(method, make_optimizers(method), average, torch.zeros(self.labeled, dtype=torch.bool, device=device))


def silence(method: SemiSupervisedMethod) -> None:
    """No noise, no dropout: what devices draw in their own ways."""
    for module in method.nets.modules():
        if isinstance(module, GaussianNoise):
            module.sigma = 0.0
        if isinstance(module, nn.Dropout | Dropout):
            module.p = 0.0


def stepped() -> list[str]:
    """Methods that are trained in steps."""
    return [name for name in methods.names() if not issubclass(methods.module(name).Method, FittedMethod)]


def learn(
    trainer: Trainer, batch: Batch, watch: Watch, graphs: Graphs | None = None, *, bf16: bool = False, lr_factor: float = 1.0
) -> None:
    """A step as the loop makes it."""
    torch.manual_seed(fold(SEED, "noise", batch.step, 0))
    if graphs is None:
        run_step(trainer.method, trainer.optimizers, batch, lr_factor, bf16=bf16, watch=watch)
    else:
        graphs.run_step(batch, lr_factor, watch)
    trainer.average.update()
    trainer.progress.step += 1


def milliseconds(step: Callable[[], object], setting: Setting, warm_up: int, steps: int) -> float:
    """Of a step: the device is waited for at the end of all of them."""
    for _ in range(warm_up):
        step()
    setting.wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    setting.wait()
    return 1e3 * (time.perf_counter() - start) / steps


def said(error: Exception) -> str:
    """In a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
