"""What is asked of torch.cuda where a step is recorded. There is no GPU, so its parts are stood for, with real signatures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from ssgan.training.graphs import CudaRecorder, Outcome
from ssgan.training.optimizers import EagerAdam

REAL_GRAPH, REAL_CONTEXT = torch.cuda.CUDAGraph, torch.cuda.graph


class Graph:
    """Attributes: registered: generators."""

    def __init__(self) -> None:
        self.registered: list[torch.Generator] = []
        self.capturing = False

    def register_generator_state(self, generator: torch.Generator) -> None:
        assert not self.capturing, "too late"
        self.registered.append(generator)

    def replay(self) -> None: ...


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """Those that are made."""
    made: list[Graph] = []

    def graph() -> Graph:
        made.append(Graph())
        return made[-1]

    @contextmanager
    def capture(*args: Any, **kwargs: Any) -> Iterator[None]:
        inspect.signature(REAL_CONTEXT.__init__).bind(None, *args, **kwargs)
        args[0].capturing = True
        yield
        args[0].capturing = False

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return made


def recorder() -> tuple[CudaRecorder, dict[str, Any]]:
    optimizer = EagerAdam([nn.Parameter(torch.ones(2))], fused=True)
    return CudaRecorder({"phase": optimizer}), optimizer.param_groups[0]


def test_a_step_is_recorded_with_its_generators_and_optimizers_that_may_be(graphs: list[Graph]) -> None:
    found, group = recorder()
    generators = [torch.Generator(), torch.Generator()]

    def step() -> Outcome:
        assert graphs[0].capturing
        assert group["capturable"]
        return Outcome([], torch.zeros(1))

    replay, outcome = found.record(step, generators)
    assert outcome.phases == []
    assert replay == graphs[0].replay
    assert graphs[0].registered == generators
    assert not group["capturable"], "outside of a graph torch would warn"


def test_optimizers_stay_as_they_were_where_a_step_cannot_be_recorded(graphs: list[Graph]) -> None:
    found, group = recorder()

    def step() -> Outcome:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        found.record(step, [])
    assert not group["capturable"]


def test_torch_has_what_stands_for_it_here() -> None:
    assert all(hasattr(REAL_GRAPH, name) for name in ("register_generator_state", "replay"))
