"""How long is a step of feature matching, against its own matrix products and against the usual way to write it?

Times, interleaved in one process: the step of this library; only the matrix products that it cannot do without; and an eager
PyTorch step as ports write it (weight norm on the weight by a hook, three forward passes, gradients of both players in the
generator's step, Adam without fusing). Needs no data: images are random. All three keep freed memory, as training does.

    python -m benchmarks.step_time --threads 2 --rounds 5
    python -m benchmarks.step_time --threads 1 --cpu --rounds 15 --steps 8    # on a machine that does other things
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

import itertools

from benchmarks.port import GENERATOR, SIZES, Port
from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.machine import keep_freed_memory
from ssgan.training.ema import Average
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

BATCH = 100


def random_batch(step: int) -> Batch:
    x = torch.rand(3, BATCH, 1, 28, 28)
    return Batch(x[0], torch.randint(0, 10, (BATCH,)), x[1], x[2], step, step)


def ours(bf16: bool) -> Callable[[], object]:
    problem = Problem(ImageSpec(1, 28, "fit"), 10, NetConfig())
    method = methods.build("feature_matching", methods.resolve_config("feature_matching", {}), problem)
    method.init(random_batch(-1))
    optimizers, average, batch = (
        make_optimizers(method),
        Average({"classifier": method.nets["classifier"]}, 7000),
        random_batch(0),
    )

    def step() -> None:
        run_step(method, optimizers, batch, bf16=bf16)
        average.update()

    return step


def products(bf16: bool) -> Callable[[], object]:
    """The matrix products of one step in its lean form, and nothing else: 3.8 GFLOP."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    d = [torch.randn(o, i, dtype=dtype) for i, o in itertools.pairwise(SIZES)]
    g = [torch.randn(o, i, dtype=dtype) for i, o in itertools.pairwise(GENERATOR)]
    a = {n: [torch.randn(n, s, dtype=dtype) for s in SIZES] for n in (100, 300)}
    b = [torch.randn(BATCH, s, dtype=dtype) for s in GENERATOR]

    def step() -> None:
        for i, w in enumerate(g):  # fakes of both phases, then the generator's own gradients
            b[i] @ w.t()
            b[i] @ w.t()
            b[i + 1].t() @ b[i]
            if i:
                b[i + 1] @ w
        for i, w in enumerate(d):  # discriminator: 300 images forward, gradients of weights and (but for the first) inputs
            a[300][i] @ w.t()
            a[300][i + 1].t() @ a[300][i]
            if i:
                a[300][i + 1] @ w
        for i, w in enumerate(d[:-1]):  # generator's phase: features of fakes and of images, gradient of the fakes
            a[100][i] @ w.t()
            a[100][i] @ w.t()
            a[100][i + 1] @ w

    return step


def ported() -> Callable[[], object]:
    step, batch = Port().step, random_batch(0)
    return lambda: step(batch)


def milliseconds(step: Callable[[], object], count: int, clock: Callable[[], float]) -> list[float]:
    times = []
    for _ in range(count):
        start = clock()
        step()
        times.append(1e3 * (clock() - start))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="steps of each variant in a round")
    parser.add_argument("--cpu", action="store_true", help="time of the CPU instead of the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu else time.perf_counter
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    variants = {
        "matrix products, float32": products(False),
        "ours, float32": ours(False),
        "eager port, float32": ported(),
        "matrix products, bf16": products(True),
        "ours, bf16": ours(True),
    }
    for step in variants.values():
        milliseconds(step, 5, clock)
    times: dict[str, list[float]] = {name: [] for name in variants}
    medians: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(arguments.rounds):
        for name, step in variants.items():
            new = milliseconds(step, arguments.steps, clock)
            times[name] += new
            medians[name].append(statistics.median(new))
    print(f"threads {arguments.threads}, batch {BATCH}, {arguments.rounds} rounds of {arguments.steps} steps; ms a step")
    print(f"{'':28}{'median':>8}{'p10':>8}   range of the rounds' medians")
    for name, all_times in times.items():
        p10 = sorted(all_times)[len(all_times) // 10]
        low, high = min(medians[name]), max(medians[name])
        print(f"{name:28}{statistics.median(all_times):8.1f}{p10:8.1f}   {low:.1f} to {high:.1f}")
    for top, bottom in (
        ("ours, float32", "matrix products, float32"),
        ("eager port, float32", "ours, float32"),
        ("ours, bf16", "matrix products, bf16"),
        ("ours, float32", "ours, bf16"),
    ):
        ratios = [a / b for a, b in zip(medians[top], medians[bottom], strict=True)]
        print(f"{top} / {bottom}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
