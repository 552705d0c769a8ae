"""Steps as CUDA graphs: recorded once for each pattern, then replayed by one launch (``train.graphs``, decision 0027).

A GPU does the step of a small network faster than a process can ask for its several hundred kernels. A graph has them all, with
the places of their tensors and every number that Python has put into them. So what differs between steps has to be in a
tensor at a fixed place, and is filled in before each replay: the batch, the numbers of the method's ``schedule``, the factor
of the learning rate, and the seeds of the generators. What a step does or leaves out is its ``pattern``, with a graph for each.
The first steps of a pattern run as they are, for libraries and optimizers to set up what they keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ssgan.core.batch import Batch
from ssgan.core.distributed import world_size
from ssgan.core.method import SemiSupervisedMethod
from ssgan.core.seeds import Draws, StepSeed, drawing_from, noting
from ssgan.errors import ConfigError
from ssgan.training.finite import Noted, Watch
from ssgan.training.optimizers import Optimizers
from ssgan.training.step import run_step

WARM_UP = 3  # steps of a pattern before it is recorded


class Outcome(NamedTuple):
    """What a step leaves.

    Attributes:
        phases: each phase that ran, and the names of its terms.
        values: for each phase, whether its numbers were finite so far (as ``Noted.broken``), then its terms; float32.
    """

    phases: list[tuple[str, list[str]]]
    values: Tensor


Replay = Callable[[], object]


class Recorder(Protocol):
    """How steps are recorded."""

    def warm_up(self, step: Callable[[], Outcome]) -> Outcome:
        """Run a step in the way that recording needs before it."""
        ...

    def record(self, step: Callable[[], Outcome], generators: Sequence[torch.Generator]) -> tuple[Replay, Outcome]:
        """Record a step without running it: what runs it, and the outcome, which each run overwrites."""
        ...


class CudaRecorder:
    """By ``torch.cuda.CUDAGraph``. A replay begins with the seeds that its generators have then, the default one among them."""

    def __init__(self, optimizers: Optimizers) -> None:
        self._groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]

    def warm_up(self, step: Callable[[], Outcome]) -> Outcome:
        main, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(main)
        with torch.cuda.stream(side):
            outcome = step()
        main.wait_stream(side)
        outcome.values.record_stream(main)
        return outcome

    def record(self, step: Callable[[], Outcome], generators: Sequence[torch.Generator]) -> tuple[Replay, Outcome]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        self._capturable(True)
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # the loader may work in another thread meanwhile
                outcome = step()
        finally:
            self._capturable(False)
        return graph.replay, outcome

    def _capturable(self, value: bool) -> None:
        """What torch asks of optimizers in a graph; the fused ones are it always, and warn outside of one."""
        for group in self._groups:
            group["capturable"] = value


class Inputs:
    """What a recorded step reads, at fixed places on the device."""

    def __init__(self, batch: Batch, schedule: dict[str, float]) -> None:
        device = batch.x_l.device
        self._tensors = [x.clone(memory_format=torch.preserve_format) for x in _tensors(batch)]
        self.schedule = {name: torch.zeros((), device=device) for name in schedule}
        self.lr_factor = torch.zeros((), device=device)

    def fill(self, batch: Batch, schedule: dict[str, float], lr_factor: float) -> Batch:
        """Put in what a step has, and return the batch at these places; nothing is copied from the host."""
        torch._foreach_copy_(self._tensors, _tensors(batch))
        for name, value in schedule.items():
            self.schedule[name].fill_(value)
        self.lr_factor.fill_(lr_factor)
        x_l, y_l, x_u, x_u2 = self._tensors
        return Batch(x_l, y_l, x_u, x_u2, batch.step, StepSeed(batch.seed))


class Graphs:
    """The steps of one training; ``run_step`` is in the place of that of ``training/step.py``.

    Steps are equal to those that are not recorded but for rounding: their learning rates and schedules are float32.

    Raises:
        ConfigError: without ``recorder``: the steps cannot be recorded.
    """

    def __init__(
        self, method: SemiSupervisedMethod, optimizers: Optimizers, *, bf16: bool = False, recorder: Recorder | None = None
    ) -> None:
        self._method, self._optimizers, self._bf16 = method, optimizers, bf16
        if recorder is None:
            require_graphs(method)
        self._recorder = recorder or CudaRecorder(optimizers)
        self._inputs: dict[tuple[torch.Size, ...], Inputs] = {}
        self._broken: Tensor | None = None
        self._ran = Counter[object]()
        self._draws: dict[object, Draws] = {}
        self._recorded: dict[object, tuple[Replay, Outcome]] = {}

    @torch.no_grad()
    def run_step(self, batch: Batch, lr_factor: float, watch: Watch) -> dict[str, Tensor]:
        """As ``training.step.run_step``."""
        shapes, schedule = tuple(x.shape for x in _tensors(batch)), self._method.schedule(batch.step)
        if shapes not in self._inputs:
            self._inputs[shapes] = Inputs(batch, schedule)
        inputs, pattern = self._inputs[shapes], (self._method.pattern(batch.step), shapes)
        at_places = inputs.fill(batch, schedule, lr_factor)
        self._take(watch.broken, batch.x_l.device)

        def step() -> Outcome:
            with torch.enable_grad():
                return self._step(at_places, inputs)

        if self._ran[pattern] < WARM_UP:
            self._ran[pattern] += 1
            self._draws[pattern] = Draws()
            with noting(self._draws[pattern]):
                outcome = self._recorder.warm_up(step)
            return self._noted(batch.step, outcome.phases, outcome.values, watch)
        draws = self._draws[pattern]
        if pattern not in self._recorded:
            with drawing_from(draws):
                self._recorded[pattern] = self._recorder.record(step, draws.generators)
        replay, outcome = self._recorded[pattern]
        draws.seed(batch.seed)
        replay()
        return self._noted(batch.step, outcome.phases, outcome.values.clone(), watch)

    def _take(self, broken: Tensor | None, device: torch.device) -> None:
        """Go on from what a watch knows."""
        if self._broken is None:
            self._broken = torch.zeros((), device=device)
        if broken is None:
            self._broken.zero_()
        elif broken is not self._broken:
            self._broken.copy_(broken)

    def _step(self, batch: Batch, inputs: Inputs) -> Outcome:
        watch = Watch()
        watch.broken = self._broken
        self._method.recorded = inputs.schedule
        try:
            run_step(self._method, self._optimizers, batch, inputs.lr_factor, bf16=self._bf16, watch=watch)
        finally:
            self._method.recorded = {}
        assert self._broken is not None
        assert watch.broken is not None, "a step without a phase"
        self._broken.copy_(watch.broken)
        values = [value.float() for one in watch.noted for value in (one.broken, *one.terms.values())]
        return Outcome([(one.phase, list(one.terms)) for one in watch.noted], torch.stack(values))

    def _noted(self, step: int, phases: list[tuple[str, list[str]]], values: Tensor, watch: Watch) -> dict[str, Tensor]:
        """Tell the watch what a step has left; the terms, by name."""
        watch.broken, logged = self._broken, dict[str, Tensor]()
        each = iter(values.unbind())
        for phase, names in phases:
            broken = next(each)
            terms = {name: next(each) for name in names}
            watch.noted.append(Noted(step, phase, broken, terms))
            logged |= {f"{phase}/{name}": value for name, value in terms.items()}
        return logged


def _tensors(batch: Batch) -> list[Tensor]:
    return [batch.x_l, batch.y_l, batch.x_u, batch.x_u2]


def require_graphs(method: SemiSupervisedMethod) -> None:
    """Raises ConfigError where the steps of a training cannot be recorded."""
    if method.not_recorded:
        name = type(method).__module__.rpartition(".")[2]
        raise ConfigError(f"`train.graphs` is true, but `method.name` {name!r} {method.not_recorded}; set it to false")
    device = next(method.nets.parameters()).device.type
    if device != "cuda":
        raise ConfigError(
            f"`train.graphs` is true, but this training runs on {device}; set it to false, or train on a GPU by CUDA"
        )
    if world_size() > 1:
        raise ConfigError(
            f"`train.graphs` is true, but train.num_workers is {world_size()}, and steps that wait for other workers are not "
            "recorded; set one of them back"
        )
