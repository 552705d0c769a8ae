"""Does `torch.compile` pay on a CPU? Forward pass, backward pass and Adam of a classifier, as it is and compiled, in turns.

Time is CPU time of this process, so that whatever else the machine does costs neither anything; the compiler's own processes
are not in it. Images are random. It needs a C++ compiler.

    python -m benchmarks.compiled --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

import torch.nn.functional as F
from torch import Tensor, nn

from ssgan import nets
from ssgan.config import ImageSpec, NetConfig, Problem

BATCH, STEPS = 125, 40


def step_of(net: nn.Module, forward: Callable[[Tensor], tuple[Tensor, Tensor]], bf16: bool) -> Callable[[], None]:
    x, y = torch.rand(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            _, logits = forward(x)
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits.float(), y))
        optimizer.step()

    return step


def milliseconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    for _ in range(STEPS):
        step()
    return 1000 * (time.process_time() - start) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for family, width in (("mlp", 1.0), ("compact", 0.5)):
        problem = Problem(ImageSpec(1, 28, "fit"), 10, NetConfig(family=family, width=width))
        for bf16 in (False, True):
            net = nets.family(family).classifier(problem, 10).train()
            eager, compiled = step_of(net, net, bf16), step_of(net, torch.compile(net), bf16)
            start = time.perf_counter()
            compiled()
            first = time.perf_counter() - start
            eager()
            rounds = [(milliseconds(eager), milliseconds(compiled)) for _ in range(arguments.rounds)]
            ratios = sorted(after / before for before, after in rounds)
            ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            own = statistics.median(before for before, _ in rounds)
            name = f"{family}, width {width:g}, {'bf16' if bf16 else 'float32'}"
            print(f"{name}: eager {own:.1f} ms, compiled / eager {ratio}; first step {first:.0f} s", flush=True)


if __name__ == "__main__":
    main()
