"""What travels from the workers of a run to its driver. Without torch: the actor is there before the workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssgan.experiment import Role
    from ssgan.training.tick import Tick

NAMESPACE = "ssgan"


class Mailbox:
    """What workers tell the driver: ticks, and the reason of a failure that trying again cannot mend. A Ray actor."""

    def __init__(self) -> None:
        self._ticks: list[tuple[Role, Tick]] = []
        self._said: list[str] = []
        self._fatal: tuple[str, str] | None = None

    def tick(self, role: Role, tick: Tick) -> None:
        self._ticks.append((role, tick))

    def take(self) -> list[tuple[Role, Tick]]:
        """Ticks since the last call."""
        ticks, self._ticks = self._ticks, []
        return ticks

    def say(self, text: str) -> None:
        """Keep a text for the driver's terminal."""
        self._said.append(text)

    def take_said(self) -> list[str]:
        """Texts since the last call."""
        said, self._said = self._said, []
        return said

    def fail(self, kind: str, message: str) -> None:
        """Record the first fatal error: the name of its class in ``ssgan.errors``, and its sentence."""
        self._fatal = self._fatal or (kind, message)

    def fatal(self) -> tuple[str, str] | None:
        return self._fatal


def open_mailbox(ray: Any, run_id: str) -> Any:
    """A mailbox on the driver's node: on another it would be lost with that node, and the run with it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0)(Mailbox)
    return actor.options(name=run_id, namespace=NAMESPACE, scheduling_strategy=here).remote()


def mailbox_of(ray: Any, run_id: str) -> Any:
    """The mailbox that the driver of the run has opened."""
    return ray.get_actor(run_id, namespace=NAMESPACE)
