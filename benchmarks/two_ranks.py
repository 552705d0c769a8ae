"""Why is the same batch slower on two workers of one machine? A step of feature matching in gloo processes, without Ray.

Counts the messages of a step (all-reduces and all-gathers) and times them, in turns where every rank makes all generated images
and where each makes its own (decision 0026): by the clock, and CPU time of rank 0. Times single all-reduces too.

    python -m benchmarks.two_ranks
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from infra.cluster.nodes import free_port
from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.players import generating
from ssgan.training.finite import Watch
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

BATCH, STEPS = 100, 20
LENGTHS = (1, 250, 20_000, 2_500_000)  # numbers in one all-reduce
NETS = (("mlp", 0.02), ("mlp", 1.0), ("compact", 0.25))  # families and widths


class Measured(NamedTuple):
    """Of a step: milliseconds, those of the CPU, messages, milliseconds in them."""

    ms: float
    cpu: float
    messages: int
    within: float


class Counted:
    """Inside, the calls of ``all_reduce`` and ``all_gather`` are counted, and the seconds spent in them."""

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0
        self._originals = {name: getattr(dist, name) for name in ("all_reduce", "all_gather")}

    def __enter__(self) -> Counted:
        for name, original in self._originals.items():
            setattr(dist, name, partial(self._call, original))
        return self

    def __exit__(self, *error: object) -> None:
        for name, original in self._originals.items():
            setattr(dist, name, original)

    def _call(self, original: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = original(*positional, **named)
        self.calls, self.seconds = self.calls + 1, self.seconds + time.perf_counter() - began
        return result


def single(length: int) -> float:
    """Milliseconds of one all-reduce, median of 40."""
    x, times = torch.zeros(length), []
    for _ in range(40):
        began = time.perf_counter()
        dist.all_reduce(x)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def built(family: str, width: float, world: int) -> Callable[[], None]:
    """A step on random images, again and again."""
    torch.manual_seed(0)
    problem = Problem(ImageSpec(1, 28, "fit"), 10, NetConfig(family=family, width=width))
    method = methods.build("feature_matching", methods.resolve_config("feature_matching", {}), problem)
    n = BATCH // world
    x = torch.rand(3, n, 1, 28, 28)
    batch = Batch(x[0], torch.randint(0, 10, (n,)), x[1], x[2], 0, 0)
    method.init(batch)
    optimizers, watch = make_optimizers(method), Watch()

    def step() -> None:
        run_step(method, optimizers, batch, watch=watch)

    return step


def measured(step: Callable[[], None], replicated: bool) -> Measured:
    """Of ``STEPS`` steps, in which every rank makes all generated images, or its own ones."""
    times, cpu = [], time.process_time()
    with patch.object(generating, "replicated", lambda generator: replicated), Counted() as counted:
        for _ in range(STEPS):
            began = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - began))
    cpu = time.process_time() - cpu
    return Measured(statistics.median(times), 1e3 * cpu / STEPS, round(counted.calls / STEPS), 1e3 * counted.seconds / STEPS)


def compared(family: str, width: float, world: int, rounds: int) -> str:
    """Lines about a step with a replicated and with a shared generator, in turns."""
    step = built(family, width, world)
    measured(step, True), measured(step, False)
    found = [(measured(step, True), measured(step, False)) for _ in range(rounds)]
    lines = []
    for name, of in zip(("every rank all images", "every rank its own"), zip(*found, strict=True), strict=True):
        ms, cpu, messages, within = (statistics.median(values) for values in zip(*of, strict=True))
        lines.append(f"{family}, width {width:g}, {name}: {ms:.1f} ms a step, {messages:.0f} messages, {within:.1f} ms in them")
        lines[-1] += f", {cpu:.1f} ms of the CPU"
    by_clock, by_cpu = ([a[i] / b[i] for a, b in found] for i in (0, 1))
    return "\n".join([*lines, f"    all / own: {spread(by_clock)}, of the CPU {spread(by_cpu)}"])


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main_of_rank(rank: int, world: int, port: int, rounds: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=world)
    lines = [f"all-reduce of {length:,} numbers: {single(length):.2f} ms" for length in LENGTHS]
    lines += [compared(family, width, world, rounds) for family, width in NETS]
    if rank == 0:
        print("\n".join(lines))
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    spawn(main_of_rank, (arguments.ranks, free_port(), arguments.rounds), nprocs=arguments.ranks)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
