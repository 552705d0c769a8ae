"""Does it pay to train many runs as one stack? A step of each run alone against its share of a step of the stack.

On random images, in turns within a round; on a CPU the time is CPU time of the process, on a GPU that of the clock.

    python -m benchmarks.stacked --runs 10 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

from benchmarks.mnist.stacked import Stacked, stack_batches
from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

CASES = {"8x8, width 0.1": (8, 0.1, 50), "8x8, width 1": (8, 1.0, 100), "28x28, width 1": (28, 1.0, 100)}  # side, width, batch
STEPS, WARM_UP = 20, 3
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


def batches(side: int, size: int) -> list[Batch]:
    def images() -> torch.Tensor:
        return torch.rand(size, 1, side, side, device=DEVICE)

    return [Batch(images(), torch.arange(size, device=DEVICE) % 10, images(), images(), i, i) for i in range(WARM_UP + STEPS)]


def built(name: str, side: int, width: float, batch: Batch) -> SemiSupervisedMethod:
    torch.manual_seed(0)
    problem = Problem(ImageSpec(1, side, "fit"), 10, NetConfig(family="mlp", width=width))
    method = methods.build(name, methods.resolve_config(name, {}), problem)
    method.nets.to(DEVICE)
    method.init(batch)
    return method


def milliseconds(method: SemiSupervisedMethod, steps: list[Batch]) -> float:
    """Of one step."""
    optimizers = make_optimizers(method)
    for batch in steps[:WARM_UP]:
        run_step(method, optimizers, batch)
    return 1000 * _seconds(lambda: [run_step(method, optimizers, batch) for batch in steps[WARM_UP:]]) / STEPS


def _seconds(work: Callable[[], object]) -> float:
    clock = time.perf_counter if CUDA else time.process_time
    if CUDA:
        torch.cuda.synchronize()
    start = clock()
    work()
    if CUDA:
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="feature_matching")
    parser.add_argument("--runs", type=int, default=10, help="of a stack")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{arguments.method}, {arguments.runs} runs, {torch.cuda.get_device_name() if CUDA else 'one CPU thread'}")
    for case, (side, width, size) in CASES.items():
        steps = batches(side, size)
        stacks = [stack_batches([batch] * arguments.runs) for batch in steps]
        one, many = [], []
        for _ in range(arguments.rounds):
            one.append(milliseconds(built(arguments.method, side, width, steps[0]), steps))
            runs = [built(arguments.method, side, width, steps[0]) for _ in range(arguments.runs)]
            many.append(milliseconds(Stacked(runs), stacks) / arguments.runs)
        ratios = [a / b for a, b in zip(one, many, strict=True)]
        print(
            f"{case}: alone {statistics.median(one):.2f} ms a step, in the stack {statistics.median(many):.2f} ms a run, "
            f"alone / stack {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
