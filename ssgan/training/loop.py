"""The loop around the step: batches in, records and checkpoints out. It runs the same in every process of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ssgan.core.batch import Batch
from ssgan.core.distributed import average_, rank, summed, world_size
from ssgan.core.seeds import fold
from ssgan.data.loaders import Batches
from ssgan.players.fitted import FittedMethod
from ssgan.training.checkpoint import Checkpoints, Trainer, evaluable
from ssgan.training.context import ProgressEvent
from ssgan.training.ema import Average
from ssgan.training.finite import Watch
from ssgan.training.graphs import Graphs
from ssgan.training.health import Health, spread
from ssgan.training.history import Record
from ssgan.training.step import run_step

VAL_BATCH = 500  # images per forward pass on val
HEALTH_SAMPLES = 64  # generated images whose diversity is checked
PROGRESS_SECONDS = 0.5  # shortest time between two progress events


@dataclass(frozen=True)
class TrainingPlan:
    """How long a run is, and how often it validates, writes a checkpoint and looks whether its numbers are finite."""

    steps: int
    seed: int
    val_every: int  # validation interval, in steps
    checkpoint_every: int  # steps
    check_every: int  # steps
    lr_tail: float
    bf16: bool
    graphs: bool  # steps are recorded and replayed (``graphs.py``)


@dataclass(frozen=True)
class ValSet:
    """Labeled images for validation while training: (N, C, S, S) uint8, or (N, P) features, and (N,) int64, on the device."""

    images: Tensor
    labels: Tensor

    def inputs(self, start: int, stop: int) -> Tensor:
        """Some of the images as the classifier takes them."""
        some = self.images[start:stop]
        return some * (1.0 / 255.0) if some.dtype == torch.uint8 else some


class Meter:
    """Time, images and terms since the last record."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.waited = 0.0
        self.images = 0
        self.steps = 0
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}  # steps with the term: phases do not run in every step

    def add(self, terms: dict[str, Tensor], images: int) -> None:
        self.images += images
        self.steps += 1
        for name, value in terms.items():
            if name not in self.sums:
                self.sums[name], self.counts[name] = torch.zeros_like(value, dtype=torch.float32), 0
            self.counts[name] += 1
        torch._foreach_add_([self.sums[name] for name in terms], [value.float() for value in terms.values()])

    def means(self) -> dict[str, float]:
        """Means over the steps that had the term, and over ranks; collective."""
        if not self.sums:
            return {}
        values = torch.stack([total / self.counts[name] for name, total in self.sums.items()])
        average_([values])
        return dict(zip(self.sums, values.tolist(), strict=True))

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    @property
    def images_per_second(self) -> float:
        return self.images / max(self.seconds, 1e-9)

    @property
    def data_wait_share(self) -> float:
        return self.waited / max(self.seconds, 1e-9)


def fit(
    trainer: Trainer,
    batches: Batches,
    plan: TrainingPlan,
    val: ValSet,
    checkpoints: Checkpoints | None,
    on_progress: Callable[[ProgressEvent], None],
    on_record: Callable[[Record], None],
    heartbeat: Callable[[], None] = lambda: None,
) -> None:
    """Train from ``trainer.progress.step`` to ``plan.steps``; ``heartbeat`` is called after every step.

    Checkpoints are written by rank 0 (``checkpoints`` is None elsewhere); progress and records come on every rank.

    Raises:
        NonFiniteError: a term or a gradient was not finite, up to ``plan.check_every`` steps ago; no record and no checkpoint
            has been made since.
    """
    graphs = Graphs(trainer.method, trainer.optimizers, bf16=plan.bf16) if plan.graphs else None
    health = Health(real_spread=spread(val.inputs(0, VAL_BATCH)) if len(val.images) > 1 else 0.0)
    progress, meter, watch, last_event = trainer.progress, Meter(), Watch(), 0.0
    iterator = batches.iterate(progress.step, plan.steps)
    trainer.method.nets.train()
    while True:
        before = time.perf_counter()
        batch = next(iterator, None)
        meter.waited += time.perf_counter() - before
        if batch is None:
            return
        meter.add(one_step(trainer, plan, batch, watch, graphs), (len(batch.x_u) or len(batch.x_l)) * world_size())
        heartbeat()
        done = progress.step == plan.steps
        intervals = (plan.val_every, plan.checkpoint_every, plan.check_every)
        validates, saves, checks = (done or progress.step % every == 0 for every in intervals)
        if validates or saves or checks:
            watch.look()
        if validates:
            record = _record(trainer, plan, val, health, meter)
            on_record(record)
            meter = Meter()
        if saves:
            _share_seen(trainer)
            if checkpoints is not None:
                checkpoints.save(trainer)
        if time.perf_counter() - last_event >= PROGRESS_SECONDS or done:
            last_event = time.perf_counter()
            on_progress(_event(progress.history, meter, progress.step, plan.steps))


def fit_at_once(
    trainer: Trainer, batches: Batches, plan: TrainingPlan, val: ValSet, on_record: Callable[[Record], None]
) -> None:
    """Fit a method that has no steps: it counts as the whole of the run."""
    method, meter = cast(FittedMethod, trainer.method), Meter()
    x_l, y_l, x_u = batches.everything()
    method.fit(x_l, y_l, x_u, plan.seed)
    batches.seen.fill_(True)
    trainer.average = Average({}, 1.0)
    trainer.progress.step = plan.steps
    on_record(_record(trainer, plan, val, Health(0.0), meter))


def one_step(
    trainer: Trainer, plan: TrainingPlan, batch: Batch, watch: Watch | None = None, graphs: Graphs | None = None
) -> dict[str, Tensor]:
    """Learn from one batch; the terms of all phases. ``watch``: as for ``run_step``; ``graphs`` needs one."""
    # Every random number of a step is a function of (seed, step, rank): a resumed run needs no saved random state.
    torch.manual_seed(fold(plan.seed, "noise", batch.step, rank()))
    lr_factor = linear_tail(batch.step, plan.steps, plan.lr_tail)
    if graphs is None:
        terms = run_step(trainer.method, trainer.optimizers, batch, lr_factor, bf16=plan.bf16, watch=watch)
    else:
        assert watch is not None
        terms = graphs.run_step(batch, lr_factor, watch)
    trainer.average.update()
    trainer.progress.step += 1
    return terms


def _share_seen(trainer: Trainer) -> None:
    """Labeled images seen by any rank; collective."""
    trainer.seen |= summed(trainer.seen.float()) > 0


def _record(trainer: Trainer, plan: TrainingPlan, val: ValSet, health: Health, meter: Meter) -> Record:
    progress = trainer.progress
    terms = meter.means()  # before the clock is read: it waits for a device that works behind
    progress.seconds += meter.seconds
    speed, wait = meter.images_per_second, meter.data_wait_share
    torch.manual_seed(fold(plan.seed, "look", progress.step))  # the word is part of the seed: another one draws other samples
    trainer.method.nets.eval()
    with torch.no_grad(), trainer.average.applied():
        val_error = error_rate(trainer, val)
        samples = trainer.method.sample(HEALTH_SAMPLES)
    trainer.method.nets.train()
    if val_error is not None and (progress.best_val_error is None or val_error < progress.best_val_error):
        progress.best_val_error, progress.best_step = val_error, progress.step
        trainer.best = evaluable(trainer)
    record = {
        "step": progress.step,
        "seconds": round(progress.seconds, 3),
        "images_per_second": round(speed, 1),
        "data_wait_share": round(wait, 5),
        "terms": terms,
        "val_error_rate": val_error,
        "warnings": health.check(terms, samples),
    }
    progress.history.append(record)
    return record


def error_rate(trainer: Trainer, val: ValSet) -> float | None:
    """Share of val images that the evaluable model gets wrong, in [0, 1]; None for an empty val set. Collective."""
    if len(val.labels) == 0:
        return None
    wrong = torch.zeros((), device=val.labels.device)
    for i in range(rank() * VAL_BATCH, len(val.labels), world_size() * VAL_BATCH):
        wrong += (trainer.method.predict(val.inputs(i, i + VAL_BATCH)).argmax(1) != val.labels[i : i + VAL_BATCH]).sum()
    return float(summed(wrong)) / len(val.labels)


def _event(history: list[Record], meter: Meter, step: int, steps: int) -> ProgressEvent:
    last = history[-1] if history else None
    fresh = meter.steps == 0 and last is not None
    return ProgressEvent(
        step=step,
        steps=steps,
        images_per_second=last["images_per_second"] if fresh and last else meter.images_per_second,
        data_wait_share=last["data_wait_share"] if fresh and last else meter.data_wait_share,
        val_error_rate=last["val_error_rate"] if last else None,
        warnings=tuple(last["warnings"]) if fresh and last else (),
    )


def linear_tail(step: int, steps: int, tail: float) -> float:
    """Factor of the learning rate: 1, then linearly to 0 over the last ``tail`` (share in [0, 1]) of ``steps`` steps."""
    start = steps * (1.0 - tail)
    if tail == 0.0 or step < start:
        return 1.0
    return max(0.0, (steps - step) / (steps - start))
