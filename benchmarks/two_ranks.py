"""Why is the same batch slower on two workers of one machine? A step of feature matching in gloo processes, without Ray.

Counts the messages of a step (all-reduces and all-gathers) and times them; times single all-reduces too.

    python -m benchmarks.two_ranks
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from infra.cluster.nodes import free_port
from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.training.finite import Watch
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

BATCH, STEPS = 100, 60
LENGTHS = (1, 250, 20_000, 2_500_000)  # numbers in one all-reduce
WIDTHS = (0.02, 1.0)


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


def step(width: float, world: int) -> str:
    """A line about ``STEPS`` steps."""
    torch.manual_seed(0)
    problem = Problem(ImageSpec(1, 28, "fit"), 10, NetConfig(width=width))
    method = methods.build("feature_matching", methods.resolve_config("feature_matching", {}), problem)
    n = BATCH // world
    x = torch.rand(3, n, 1, 28, 28)
    batch = Batch(x[0], torch.randint(0, 10, (n,)), x[1], x[2], 0, 0)
    method.init(batch)
    optimizers, times, watch = make_optimizers(method), [], Watch()
    run_step(method, optimizers, batch, watch=watch)
    with Counted() as counted:
        for _ in range(STEPS):
            began = time.perf_counter()
            run_step(method, optimizers, batch, watch=watch)
            times.append(time.perf_counter() - began)
    watch.look()
    milliseconds, within = 1e3 * statistics.median(times), 1e3 * counted.seconds / STEPS
    return f"width {width}: {milliseconds:.1f} ms a step, {counted.calls / STEPS:.0f} messages, {within:.1f} ms in them"


def main_of_rank(rank: int, world: int, port: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=world)
    lines = [f"all-reduce of {length:,} numbers: {single(length):.2f} ms" for length in LENGTHS]
    lines += [step(width, world) for width in WIDTHS]
    if rank == 0:
        print("\n".join(lines))
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    arguments = parser.parse_args()
    spawn(main_of_rank, (arguments.ranks, free_port()), nprocs=arguments.ranks)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
