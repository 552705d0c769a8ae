"""Whether a device computes what a CPU does, resumes exactly, asks nothing in a step, and replays what it does otherwise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.on_gpu.parts import Case, Setting, learn, said, stepped
from ssgan.core import distributed
from ssgan.training.checkpoint import Trainer, load, save
from ssgan.training.finite import Watch
from ssgan.training.graphs import Graphs

START, STEPS = 10, 8  # at step 10 every phase runs and every term is there
KINDS = {"mlp": (1, 8, 8), "compact": (1, 16, 16), "head": (16,)}
TOLERANCE = (
    1e-2,
    1e-3,
)  # relative, absolute, of a weight: where a gradient is nothing but rounding, Adam makes a step of it


def cases(setting: Setting) -> list[Case]:
    names = ["feature_matching", "teacher_gan", "vat"] if setting.dry else stepped()
    sizes: dict[str, Any] = {"labeled": 10, "unlabeled": 20, "quick": True}
    return [Case(name, family, shape, width=0.25, **sizes) for family, shape in KINDS.items() for name in names]


@contextmanager
def drawn_on_the_cpu() -> Iterator[None]:
    """Inside, uniform numbers come from a CPU's generator: each kind of device has its own for the same seed."""
    rand = torch.rand

    def on_cpu(*size: int, generator: torch.Generator | None = None, device: Any = None) -> Tensor:
        return rand(*size, generator=generator).to(device)

    def generator(seed: int, device: torch.device) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    with patch.object(distributed, "generator_of", generator), patch.object(torch, "rand", on_cpu):
        yield


def steps(case: Case, trainer: Trainer, device: torch.device, start: int, stop: int, graphs: Graphs | None = None) -> None:
    watch = Watch()
    for step in range(start, stop):
        learn(trainer, case.batch(step, device), watch, graphs)
    watch.look()


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in trainer.method.nets.state_dict().items()}


def farthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest deviation of a weight, in units of what is tolerated: at most 1 where all is well."""
    relative, absolute = TOLERANCE
    ratios = [((a[key] - b[key]).abs() / (absolute + relative * b[key].abs())).max() for key in a if a[key].numel()]
    return float(torch.stack([ratio.float() for ratio in ratios]).max())


def as_on_a_cpu(case: Case, setting: Setting) -> float:
    """Deviation of the weights after some steps without noise from those of a CPU, as ``farthest``."""
    found = []
    with drawn_on_the_cpu(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for device in (torch.device("cpu"), setting.device):
            trainer = case.built(device, quiet=True)
            steps(case, trainer, device, START, START + 3)
            found.append(weights(trainer))
    return farthest(found[1], found[0])


def resumes(case: Case, setting: Setting) -> bool:
    """Whether steps that were interrupted by a checkpoint give the same bits, with noise."""
    whole, half, resumed = (case.built(setting.device) for _ in range(3))
    middle, end = START + STEPS // 2, START + STEPS
    steps(case, whole, setting.device, START, end)
    steps(case, half, setting.device, START, middle)
    with tempfile.TemporaryDirectory() as folder:
        save(half, {}, Path(folder))
        load(resumed, {}, Path(folder))
    resumed.method.nets.to(setting.device)
    steps(case, resumed, setting.device, middle, end)
    a, b = weights(whole), weights(resumed)
    return all(torch.equal(a[key], b[key]) for key in a)


def resumes_without_atomics(case: Case, setting: Setting) -> bool:
    """``resumes``, with those algorithms of cuDNN only that add in a fixed order."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        return resumes(case, setting)


def asks_nothing(case: Case, setting: Setting) -> bool:
    """Whether a step runs where waiting for the device is an error."""
    trainer, watch = case.built(setting.device), Watch()
    batches = [case.batch(step, setting.device) for step in range(START, START + 3)]
    learn(trainer, batches[0], watch)  # libraries set themselves up
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches[1:]:
            learn(trainer, batch, watch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True


def replays(case: Case, setting: Setting) -> float:
    """Deviation of the weights of replayed steps, with noise, from those of the usual ones, as ``farthest``."""
    usual, replayed = case.built(setting.device), case.built(setting.device)
    steps(case, usual, setting.device, START, START + STEPS)
    graphs = Graphs(replayed.method, replayed.optimizers)
    steps(case, replayed, setting.device, START, START + STEPS, graphs)
    return farthest(weights(replayed), weights(usual))


def run(setting: Setting) -> list[dict[str, Any]]:
    """A row per method and kind of networks; an error is the value of what it came from."""
    checks: dict[str, Callable[[Case, Setting], Any]] = {"deviation_from_cpu": as_on_a_cpu, "resumes_exactly": resumes}
    if setting.cuda:
        checks |= {
            "resumes_exactly_if_deterministic": resumes_without_atomics,
            "asks_nothing": asks_nothing,
            "deviation_of_replay": replays,
        }
    rows = []
    for case in cases(setting):
        row: dict[str, Any] = {"method": case.method, "nets": case.family}
        for name, check in checks.items():
            try:
                row[name] = check(case, setting)
            except Exception as error:
                row[name] = said(error)
        rows.append(row)
    return rows


def failures(rows: list[dict[str, Any]]) -> list[str]:
    """Of ``run``: what is not as it should be."""
    bad = []
    for row in rows:
        for name in set(row) - {"method", "nets"}:
            value = row[name]
            refused = row["method"] == "vat" and "train.graphs" in str(value)
            if not refused and (isinstance(value, str) or value is False or (isinstance(value, float) and not value <= 1)):
                bad.append(f"{row['method']} on {row['nets']}, {name}: {value}")
    return sorted(bad)
