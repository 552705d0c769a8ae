"""Which method has the lowest error after the same minutes on the same machine? A laptop, 28x28, few labels.

One after the other: our combination, the same without its GAN, FixMatch on the same network with Adam and with Muon, feature
matching, and feature matching as ports write it. Before that all take a short trial in turns, several times; the fastest
tells how many steps fit into the minutes, so that whatever else the machine does later costs no one a step. The rate falls over
the last third of the steps (the port's is constant). Error on val by time, and on test in the end, once, of the last averaged
model. Needs a project's splits of 28x28 gray images (`dvc repro split`).

    python -m benchmarks.ten_minutes data/splits --minutes 10 --threads 2
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

import numpy as np

from benchmarks.alone import train
from benchmarks.mnist.rows import FEW_LABELED, MLP, MUON, QUIET, SHIFTS
from benchmarks.port import Port
from ssgan.config import Config, LoaderConfig, parse
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches, BatchRequest

TRIAL = 100  # steps; fewer are mostly start-up
ROUNDS = 3
VALIDATIONS = 10
Curve = list[tuple[float, float]]  # (seconds, error on val)

CONTENDERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # method, options, networks
    "teacher_gan": ("teacher_gan", FEW_LABELED, QUIET),
    "teacher_gan without GAN": ("teacher_gan", FEW_LABELED | {"unlabeled_weight": 0.0}, QUIET),
    "fixmatch": ("fixmatch", FEW_LABELED, QUIET),
    "fixmatch, Muon": ("fixmatch", FEW_LABELED | MUON, QUIET),
    "feature_matching": ("feature_matching", {}, MLP),
}
PORT = "feature matching, a port"


def steps_that_fit(names: list[str], files: SplitFiles, seconds: float, threads: int) -> dict[str, int]:
    """How many steps each does in ``seconds`` on a machine that does nothing else."""
    fastest = dict.fromkeys(names, float("inf"))
    for _ in range(ROUNDS):
        for name in names:
            curve, _ = _run(name, files, TRIAL, threads, validations=1)
            fastest[name] = min(fastest[name], curve[-1][0] / TRIAL)
    return {name: max(VALIDATIONS, int(seconds / each)) for name, each in fastest.items()}


def _run(name: str, files: SplitFiles, steps: int, threads: int, validations: int = VALIDATIONS) -> tuple[Curve, float]:
    """The curve, and the error on test."""
    if name == PORT:
        return port(files, steps, threads, validations)
    finished = train(_config(name, steps, validations), files, threads)
    return finished.curve, finished.error_rate(files, "test")


def _config(name: str, steps: int, validations: int) -> Config:
    method, options, net = CONTENDERS[name]
    return parse(
        Config,
        {
            "method": {"name": method, "options": {"lr_tail": 0.33, **options}},
            "net": net,
            "augment": SHIFTS if net is QUIET else {},
            "train": {"steps": steps, "val_every": -(-steps // validations), "checkpoint_every": steps, "precision": "auto"},
        },
        "benchmarks.ten_minutes",
    )


def port(files: SplitFiles, steps: int, threads: int, validations: int) -> tuple[Curve, float]:
    """The same for the port; its rate is constant."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rival, curve, spent, every = Port(), [], 0.0, -(-steps // validations)
    batches = Batches(files, BatchRequest(100, 100, 2, False, 0, None), LoaderConfig(), torch.device("cpu"))
    sets = {name: _set(files, name) for name in ("val", "test")}

    def error(name: str) -> float:
        images, labels = sets[name]
        return float((rival.answers(torch.from_numpy(images) / 255).numpy() != labels).mean())

    for step, batch in enumerate(batches.iterate(0, steps), 1):
        start = time.perf_counter()
        rival.step(batch)
        spent += time.perf_counter() - start
        if step % every == 0 or step == steps:
            curve.append((spent, error("val")))
    return curve, error("test")


def _set(files: SplitFiles, name: str) -> tuple[np.ndarray, np.ndarray]:
    return files.inputs(name), files.labels(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=[*CONTENDERS, PORT], default=[*CONTENDERS, PORT])
    arguments = parser.parse_args()
    files = SplitFiles(str(Path(arguments.splits).absolute()))
    print(f"{files.num_rows('labeled')} labels, {arguments.minutes:g} minutes each, {arguments.threads} threads", flush=True)
    fit = steps_that_fit(arguments.only, files, 60 * arguments.minutes, arguments.threads)
    print("steps: " + ", ".join(f"{name} {steps}" for name, steps in fit.items()), flush=True)
    for name, steps in fit.items():
        curve, test_error = _run(name, files, steps, arguments.threads)
        print(f"{name}: {100 * test_error:.2f} % wrong on test after {steps} steps, {curve[-1][0]:.0f} s of training")
        print("  on val: " + ", ".join(f"{100 * e:.1f} % ({s:.0f} s)" for s, e in curve), flush=True)


if __name__ == "__main__":
    main()
