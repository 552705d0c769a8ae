"""What lets a step be recorded once and replayed for others (``training/graphs.py``): what changes has a name and a place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Protocol

from torch import Tensor


class Due(Protocol):
    """A phase, as far as it matters here."""

    def due(self, step: int) -> bool:
        """Whether it runs at a step."""
        ...


class Recordable(ABC):
    """Base of every method.

    Attributes:
        not_recorded: why its steps cannot be recorded as CUDA graphs, as the rest of a sentence; empty: they can.
        recorded: () each, where a recorded step finds the numbers of the schedule; empty in a step that is not recorded.
    """

    not_recorded: ClassVar[str] = ""
    recorded: Mapping[str, Tensor] = MappingProxyType({})

    @abstractmethod
    def phases(self) -> Sequence[Due]:
        """The phases of one step, in order."""

    def pattern(self, step: int) -> tuple[bool, ...]:
        """What a step does and what it leaves out: steps of one pattern differ in tensors and the schedule only."""
        return tuple(phase.due(step) for phase in self.phases())

    def schedule(self, step: int) -> dict[str, float]:
        """Numbers that change from step to step, by name; losses read them by ``scheduled``."""
        return {}

    def scheduled(self, name: str, step: int) -> float | Tensor:
        """A number of the schedule; a scalar on the device where the step is recorded."""
        return self.recorded[name] if self.recorded else self.schedule(step)[name]
