"""Milliseconds of a step: as it is, as a CUDA graph, in a stack of runs, and its matrix products alone; images per second."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.mnist.stacked import UNSTACKABLE, Stacked, stack_batches, stacked_optimizers
from benchmarks.on_gpu.parts import Case, Setting, learn, milliseconds, said
from ssgan.training.checkpoint import Trainer
from ssgan.training.ema import Average
from ssgan.training.finite import Watch
from ssgan.training.graphs import WARM_UP, Graphs

METHODS = ("supervised", "feature_matching", "bad_gan", "triple_gan", "teacher_gan", "fixmatch")
NETS = {"mlp": (1, 28, 28), "compact": (3, 32, 32), "head": (256,)}
LATE = 100_000  # a step at which all players play
BATCHES = 4  # that a run sees again and again: teacher_gan plays its game in every fourth step
RUNS, ROUNDS, STEPS = 8, 3, 60
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::convolution", "aten::convolution_backward")


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, notes the matrix products and convolutions; ``again`` computes them once more and nothing else."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[Callable[[], object]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation.name().partition(".")[0] in PRODUCTS:
            self._calls.append(lambda: operation(*args, **(kwargs or {})))
        return operation(*args, **(kwargs or {}))

    def again(self) -> None:
        for call in self._calls:
            call()


def as_graph(run: Callable[[], None], setting: Setting) -> Callable[[], object]:
    """One launch for all of it; on a CPU, itself."""
    if not setting.cuda:
        return run
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    setting.wait()
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        run()
    return graph.replay


def endless(case: Case, setting: Setting, trainer: Trainer, graphs: Graphs | None, bf16: bool) -> Callable[[], object]:
    """The next step of a run, each time it is called."""
    watch, batches = Watch(), cycle([case.batch(LATE + i, setting.device) for i in range(BATCHES)])

    def step() -> None:
        learn(trainer, next(batches), watch, graphs, bf16=bf16)
        if len(watch.noted) > 200:  # as often as training does
            watch.look()

    return step


def stacked(case: Case, setting: Setting) -> Callable[[], object]:
    """A step of many runs at once."""
    method = Stacked([case.built(setting.device).method for _ in range(RUNS)])
    batches = [stack_batches([case.batch(LATE + i, setting.device)] * RUNS) for i in range(BATCHES)]
    average = Average({key: method.nets[key] for key in method.averaged}, 1000.0)
    trainer = Trainer(method, stacked_optimizers(method), average, torch.zeros(0))
    watch, coming = Watch(), cycle(batches)
    return lambda: learn(trainer, next(coming), watch)


def variants(case: Case, setting: Setting, bf16: bool) -> dict[str, Callable[[], Callable[[], object]]]:
    """What makes each step to be timed; making one may fail."""

    def eager() -> Callable[[], object]:
        return endless(case, setting, case.built(setting.device), None, bf16)

    def graph() -> Callable[[], object]:
        trainer = case.built(setting.device)
        return endless(case, setting, trainer, Graphs(trainer.method, trainer.optimizers, bf16=bf16), bf16)

    found: dict[str, Callable[[], Callable[[], object]]] = {"eager": eager}
    if setting.cuda:
        found["graph"] = graph
    if case.family == "mlp" and case.method not in UNSTACKABLE and not bf16:
        found["stacked"] = lambda: stacked(case, setting)
    return found


def products_of(case: Case, setting: Setting, bf16: bool) -> tuple[float, Callable[[], object]]:
    """GFLOP of ``BATCHES`` steps, and what computes their products alone."""
    step = endless(case, setting, case.built(setting.device), None, bf16)
    step()
    with Products() as products, FlopCounterMode(display=False) as flops:
        for _ in range(BATCHES):
            step()
    with torch.no_grad():
        return flops.get_total_flops() / 1e9, as_graph(products.again, setting)


def row(case: Case, setting: Setting, bf16: bool) -> dict[str, Any]:
    if setting.late:
        raise TimeoutError("no time was left")
    found = _named(case, bf16)
    runs: dict[str, Callable[[], object]] = {}
    gflop, runs["products"] = products_of(case, setting, bf16)
    for name, make in variants(case, setting, bf16).items():
        try:
            runs[name] = make()
        except Exception as error:
            found[f"{name}_error"] = said(error)
    warm_up = BATCHES * (WARM_UP + 1) if setting.cuda else 1
    rounds, steps = (ROUNDS, STEPS) if setting.cuda else (1, 1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs):
            try:
                times[name].append(milliseconds(runs[name], setting, 0 if number else warm_up, steps))
            except Exception as error:
                found[f"{name}_error"] = said(error)
                del runs[name], times[name]
    per = {"products": BATCHES, "stacked": RUNS}
    for name, values in times.items():
        one = [value / per.get(name, 1) for value in values]
        found[f"{name}_ms"] = statistics.median(one)
        found[f"{name}_range"] = [min(one), max(one)]
    found["gflop"] = gflop / BATCHES
    images = case.unlabeled if case.batch(LATE, torch.device("cpu")).x_u.numel() else case.labeled
    best = min(found[f"{name}_ms"] for name in times if name != "products")
    return found | {"images_per_second": 1e3 * images / best}


def run(setting: Setting) -> list[dict[str, Any]]:
    """A row per method and kind of networks, in float32 and bf16."""
    names, width = (METHODS[1:2], 0.1) if setting.dry else (METHODS, 1.0)
    size = 10 if setting.dry else 100
    cases = [Case(name, family, shape, width, size, size) for family, shape in NETS.items() for name in names]
    rows = []
    for case in cases:
        for bf16 in (False, True):
            try:
                rows.append(row(case, setting, bf16))
            except Exception as error:
                rows.append(_named(case, bf16) | {"error": said(error)})
    return rows


def _named(case: Case, bf16: bool) -> dict[str, Any]:
    return {"method": case.method, "nets": case.family, "precision": "bf16" if bf16 else "float32"}
