"""Which method has the lowest error after the same minutes on the same machine? A laptop, 28x28, few labels.

In turns, each alone on the machine: our combination, the same without its GAN, FixMatch on the same network, feature matching,
and feature matching as ports write it. A short trial tells how many steps fit into the minutes; the rate falls over the last
third of them. Error on val by time, and on test in the end, once, of the last averaged model. Needs a project's splits of 28x28
grey images (`dvc repro split`).

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
from benchmarks.mnist.rows import MLP, QUIET, SHIFTS
from benchmarks.port import Port
from ssgan.config import Config, LoaderConfig, parse
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches, Request
from ssgan.data.schema import pixels_to_numpy

TRIAL = 100  # steps; fewer are mostly start-up, and one disturbance decides
LOOKS = 10
Curve = list[tuple[float, float]]  # (seconds, error on val)

CONTENDERS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {  # method, options, networks, precision
    "teacher_gan": ("teacher_gan", {"labeled_batch_size": 25}, QUIET, "bf16"),
    "teacher_gan without GAN": ("teacher_gan", {"labeled_batch_size": 25, "unlabeled_weight": 0.0}, QUIET, "bf16"),
    "fixmatch": ("fixmatch", {"labeled_batch_size": 25}, QUIET, "bf16"),
    "feature_matching": ("feature_matching", {}, MLP, "bf16"),
}
PORT = "feature matching, a port"


def ours(name: str, files: SplitFiles, seconds: float, threads: int) -> tuple[int, Curve, float]:
    """Steps done, the curve, and the error on test."""
    trial = train(_config(name, TRIAL), files, threads)
    steps = max(LOOKS, int(seconds / (trial.history[-1]["seconds"] / TRIAL)))
    finished = train(_config(name, steps), files, threads)
    return steps, finished.curve, finished.error_rate(files, "test")


def _config(name: str, steps: int) -> Config:
    method, options, net, precision = CONTENDERS[name]
    return parse(
        Config,
        {
            "method": {"name": method, "options": {"lr_tail": 0.33, **options}},
            "net": net,
            "augment": SHIFTS if net is QUIET else {},
            "train": {"steps": steps, "val_every": -(-steps // LOOKS), "checkpoint_every": steps, "precision": precision},
        },
        "benchmarks.ten_minutes",
    )


def port(files: SplitFiles, seconds: float, threads: int) -> tuple[int, Curve, float]:
    """The same for the port; its rate is constant."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rival, curve, spent, step = Port(), [], 0.0, 0
    batches = Batches(files, Request(100, 100, 2, False, 0, None), LoaderConfig(), torch.device("cpu"))
    sets = {name: _set(files, name) for name in ("val", "test")}

    def error(name: str) -> float:
        images, labels = sets[name]
        return float((rival.answers(torch.from_numpy(images) / 255).numpy() != labels).mean())

    for batch in batches.iterate(0, 1 << 40):
        start = time.perf_counter()
        rival.step(batch)
        spent += time.perf_counter() - start
        step += 1
        if spent >= seconds * (len(curve) + 1) / LOOKS:
            curve.append((spent, error("val")))
        if len(curve) == LOOKS:
            break
    return step, curve, error("test")


def _set(files: SplitFiles, name: str) -> tuple[np.ndarray, np.ndarray]:
    table = files.read(name, ["label", "pixels"])
    return pixels_to_numpy(table["pixels"], files.image_spec()).copy(), table["label"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=[*CONTENDERS, PORT], default=[*CONTENDERS, PORT])
    arguments = parser.parse_args()
    files = SplitFiles(str(Path(arguments.splits).absolute()))
    print(f"{files.num_rows('labeled')} labels, {arguments.minutes:g} minutes each, {arguments.threads} threads", flush=True)
    for name in arguments.only:
        seconds, threads = 60 * arguments.minutes, arguments.threads
        steps, curve, test_error = port(files, seconds, threads) if name == PORT else ours(name, files, seconds, threads)
        print(f"{name}: {100 * test_error:.2f} % wrong on test after {steps} steps, {curve[-1][0]:.0f} s of training")
        print("  on val: " + ", ".join(f"{100 * e:.1f} % ({s:.0f} s)" for s, e in curve), flush=True)


if __name__ == "__main__":
    main()
