"""What travels from the workers of a run to its driver. Without torch: the actor is there before the workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssgan.cluster.connection import on_node

if TYPE_CHECKING:
    from ssgan.training.context import ProgressEvent, Role
    from ssgan.training.history import Record

NAMESPACE = "ssgan"


class Mailbox:
    """What workers tell the driver: progress, records, texts, and why trying again would not help. A Ray actor."""

    def __init__(self) -> None:
        self._events: list[tuple[Role, ProgressEvent]] = []
        self._records: list[tuple[Role, Record]] = []
        self._texts: list[str] = []
        self._failure: tuple[str, str] | None = None

    def report(self, role: Role, event: ProgressEvent) -> None:
        """Keep a progress event for the driver."""
        self._events.append((role, event))

    def take_events(self) -> list[tuple[Role, ProgressEvent]]:
        """Events since the last call."""
        events, self._events = self._events, []
        return events

    def record(self, role: Role, record: Record) -> None:
        """Keep what a validation found for the driver."""
        self._records.append((role, record))

    def take_records(self) -> list[tuple[Role, Record]]:
        """Records since the last call."""
        records, self._records = self._records, []
        return records

    def say(self, text: str) -> None:
        """Keep a text for the driver's terminal."""
        self._texts.append(text)

    def take_texts(self) -> list[str]:
        """Texts since the last call."""
        texts, self._texts = self._texts, []
        return texts

    def fail(self, kind: str, message: str) -> None:
        """Record the first fatal error: the name of its class in ``ssgan.errors``, and its sentence."""
        self._failure = self._failure or (kind, message)

    def failure(self) -> tuple[str, str] | None:
        """The first fatal error, if there is one."""
        return self._failure


def open_mailbox(ray: Any, run_id: str) -> Any:
    """A mailbox on the driver's node: on another it would be lost with that node, and the run with it."""
    here = on_node(ray.get_runtime_context().get_node_id())
    actor = ray.remote(num_cpus=0)(Mailbox)
    return actor.options(name=run_id, namespace=NAMESPACE, scheduling_strategy=here).remote()


def mailbox_of(ray: Any, run_id: str) -> Any:
    """The mailbox that the driver of the run has opened."""
    return ray.get_actor(run_id, namespace=NAMESPACE)
