"""Recording of steps on a CPU, in the place of CUDA graphs: the operations of torch on the same tensors, once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from ssgan.training.graphs import Outcome, Replay


def tensors(values: Any) -> list[Tensor]:
    return [one for one in tree_iter(values) if isinstance(one, Tensor)]


def places(values: Any) -> Any:
    """The same memory in the same shape, whatever becomes of the shape of a tensor."""
    return tree_map(lambda one: one.detach() if isinstance(one, Tensor) else one, values)


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, notes every operation, and what it overwrites."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self._overwritten: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation.namespace == "profiler":
            return operation(*args, **(kwargs or {}))
        given = dict(zip((a.name for a in operation._schema.arguments), args, strict=False)) | (kwargs or {})
        for argument in operation._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._overwritten += [(one.detach(), one.clone()) for one in tensors(given.get(argument.name))]
        taken = places((args, kwargs or {}))
        result = operation(*args, **(kwargs or {}))
        self.operations.append((operation, *taken, places(result)))
        return result

    @torch.no_grad()
    def undo(self) -> None:
        for tensor, before in reversed(self._overwritten):
            tensor.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        for operation, args, kwargs, result in self.operations:
            for place, value in zip(tensors(result), tensors(operation(*args, **kwargs)), strict=True):
                if place.data_ptr() != value.data_ptr():  # else it is a view of what was given, or that itself
                    place.copy_(value)

    def numbers(self) -> list[tuple[str, list[Any]]]:
        """Each operation, and all that Python has put into it besides tensors and generators."""
        return [
            (operation.name(), [one for one in tree_iter((args, kwargs)) if not isinstance(one, Tensor | torch.Generator)])
            for operation, args, kwargs, _ in self.operations
        ]


class TapeRecorder:
    """Attributes: warm_ups: of each step before it is recorded, what Python has put into its operations; replays: how many."""

    def __init__(self) -> None:
        self.warm_ups: list[list[tuple[str, list[Any]]]] = []
        self.replays = 0

    def warm_up(self, step: Callable[[], Outcome]) -> Outcome:
        with Tape() as tape:
            outcome = step()
        self.warm_ups.append(tape.numbers())
        return outcome

    def record(self, step: Callable[[], Outcome], generators: Sequence[torch.Generator]) -> tuple[Replay, Outcome]:
        random = torch.get_rng_state()
        with Tape() as tape:
            outcome = step()
        tape.undo()
        torch.set_rng_state(random)

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return replay, outcome
