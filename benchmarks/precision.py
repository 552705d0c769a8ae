"""Does bf16 pay here? CPU time of a step in bf16 over that in float32, in turns, for a row of each track of the table.

Needs no data: images are random. The step is a late one, in which all players play.

    python -m benchmarks.precision --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

from benchmarks.mnist.rows import ROWS, config_of
from ssgan import methods
from ssgan.config import Config, ImageSpec, Problem, parse
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.training.optimizers import make_optimizers
from ssgan.training.precision import native_bf16
from ssgan.training.step import run_step

CASES = (("A", "feature matching"), ("B", "Triple-GAN"), ("C", "teacher_gan without GAN"))
LATE = 100_000


def built(track: str, name: str) -> tuple[SemiSupervisedMethod, Batch]:
    """The method of a row, initialized, and a batch of random images."""
    row = next(row for row in ROWS if (row.track, row.name) == (track, name))
    config = parse(Config, config_of(row, 0, 1000, 1), "benchmarks.mnist.rows")
    options = methods.resolve_config(row.method, config.method.options)
    method = methods.build(row.method, options, Problem(ImageSpec(1, 28, "fit"), 10, config.net))
    x_l, x_u, x_u2 = (torch.rand(n, 1, 28, 28) for n in (options.labeled_batch_size, *[options.batch_size] * 2))
    batch = Batch(x_l, torch.randint(0, 10, (len(x_l),)), x_u, x_u2, 0, 0)
    method.nets.train()
    method.init(batch)
    return method, replace(batch, step=LATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="steps of each precision in a round")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    has = "has" if native_bf16(torch.device("cpu")) else "lacks"
    print(f"this CPU {has} instructions for bf16; threads {arguments.threads}; ms of CPU a step, median (range of rounds)")
    for track, name in CASES:
        method, batch = built(track, name)
        optimizers = make_optimizers(method)
        medians: dict[bool, list[float]] = {False: [], True: []}
        for round_ in range(arguments.rounds + 1):
            for bf16, found in medians.items():
                times = []
                for _ in range(arguments.steps):
                    start = time.process_time()
                    run_step(method, optimizers, batch, bf16=bf16)
                    times.append(1e3 * (time.process_time() - start))
                if round_:  # the first one warms up
                    found.append(statistics.median(times))
        ratios = [b / f for f, b in zip(medians[False], medians[True], strict=True)]
        full, half = (f"{statistics.median(m):.0f} ({min(m):.0f} to {max(m):.0f})" for m in medians.values())
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{track}, {name}: float32 {full}, bf16 {half}, bf16 / float32 {ratio}", flush=True)


if __name__ == "__main__":
    main()
