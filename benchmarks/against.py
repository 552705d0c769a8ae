"""Is this build faster than another one, and does it give the same? A step of training of both builds, in turns.

Each build runs in a process of its own, from its own folder, on the same random images; the processes take turns, so that what
else the machine does meets both. Four steps in a row, the generator in one of them, are one measurement. Losses of the first
steps, without noise and dropout, show whether results differ by more than rounding.

    python -m benchmarks.against ../OTHER_CHECKOUT --case teacher_gan --rounds 7
    python -m benchmarks.against ../OTHER_CHECKOUT --case feature_matching --threads 2 --clock
    PYTHONPATH=../OTHER_CHECKOUT python benchmarks/against.py ../OTHER_CHECKOUT --profile
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CASES = {"teacher_gan": ("compact", 3, 64), "feature_matching": ("mlp", 1, 28)}
LATE, STEPS = 600, 4  # of which every player plays in one


def stepper(case: str, noise: float, bf16: bool) -> Callable[[int], float]:
    """Step i of a method on random images of which all have the same; its total loss."""
    import torch

    from ssgan import methods
    from ssgan.config import ImageSpec, NetConfig, Problem
    from ssgan.core.batch import Batch
    from ssgan.training.ema import Average
    from ssgan.training.optimizers import make_optimizers
    from ssgan.training.step import run_step

    family, channels, size = CASES[case]
    torch.manual_seed(0)
    problem = Problem(ImageSpec(channels, size, "fit"), 10, NetConfig(family=family, noise=noise))
    method = methods.build(case, methods.resolve_config(case, {}), problem)
    x = torch.rand(3, 100, channels, size, size)
    batch = Batch(x[0], torch.arange(100) % 10, x[1], x[2], LATE, 0)
    method.nets.train()
    method.init(batch)
    optimizers = make_optimizers(method)
    average = Average({name: method.nets[name] for name in method.averaged}, 7000)

    def step(i: int) -> float:
        terms = run_step(method, optimizers, replace(batch, step=LATE + i, seed=i), bf16=bf16)
        average.update()
        return float(terms["discriminator/total"])

    return step


def serve(case: str, precision: str, threads: int, clock: bool) -> None:
    """One build: first the losses, then a time for each line that comes in."""
    importlib.import_module("ssgan")  # before torch: sets how OpenMP threads wait
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    machine: Any = importlib.import_module("ssgan.machine")
    getattr(machine, "keep_freed_memory", bool)()  # as training does; builds before it had it not
    in_bf16 = importlib.import_module("ssgan.training.precision").in_bf16
    bf16 = in_bf16(precision, torch.device("cpu"))[0]
    quiet = stepper(case, 0.0, bf16)
    print(json.dumps({"bf16": bf16, "losses": [quiet(i) for i in range(STEPS)]}), flush=True)
    del quiet
    step, read = stepper(case, 1.0, bf16), time.perf_counter if clock else time.process_time
    for _ in sys.stdin:
        began = read()
        for i in range(STEPS):
            step(i)
        print(json.dumps(1e3 * (read() - began) / STEPS), flush=True)


def profile(case: str, precision: str, threads: int) -> None:
    """Print what the operators of four steps of the build on the path take, their own time of the CPU."""
    importlib.import_module("ssgan")
    import torch

    from ssgan.training.precision import in_bf16

    torch.set_num_threads(threads)
    getattr(importlib.import_module("ssgan.machine"), "keep_freed_memory", bool)()
    step = stepper(case, 1.0, in_bf16(precision, torch.device("cpu"))[0])  # type: ignore[arg-type]
    for _ in range(STEPS):
        step(0)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for i in range(STEPS):
            step(i)
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40))


class Build:
    """A process of one build."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        options = ["--case", arguments.case, "--precision", arguments.precision, "--threads", str(arguments.threads)]
        options += ["--clock"] * arguments.clock
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder), "--serve", *options],
            env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": str(arguments.threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first: dict[str, Any] = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def milliseconds(self) -> float:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def end(self) -> None:
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--case", choices=CASES, default="teacher_gan")
    parser.add_argument("--precision", choices=("float32", "bf16", "auto"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", action="store_true", help="time on the clock, not of the CPU: on a quiet machine")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help="only list the operators of the build on PYTHONPATH by time")
    arguments = parser.parse_args()
    if arguments.profile:
        profile(arguments.case, arguments.precision, arguments.threads)
        return
    if arguments.serve:
        serve(arguments.case, arguments.precision, arguments.threads, arguments.clock)
        return
    builds = {"this build": Build(ROOT, arguments), "the other": Build(arguments.other.absolute(), arguments)}
    times: dict[str, list[float]] = {name: [] for name in builds}
    for number in range(arguments.rounds + 1):
        for name, build in builds.items():
            found = build.milliseconds()
            if number:  # the first one warms up
                times[name].append(found)
    for build in builds.values():
        build.end()
    ours, other = times.values()
    ratios = [b / a for a, b in zip(ours, other, strict=True)]
    losses = zip(*(build.first["losses"] for build in builds.values()), strict=True)
    difference = max(abs(a - b) / abs(b) for a, b in losses)
    kind = "clock" if arguments.clock else "CPU"
    print(f"{arguments.case}, threads {arguments.threads}, {arguments.rounds} rounds of {STEPS} steps; ms of {kind} a step")
    for name, of_build in times.items():
        precision = "bf16" if builds[name].first["bf16"] else "float32"
        print(f"{name:12} {precision:8} {statistics.median(of_build):8.1f} ({min(of_build):.1f} to {max(of_build):.1f})")
    print(f"the other / this: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"losses of the first steps differ by at most {difference:.1e} of their value")


if __name__ == "__main__":
    main()
