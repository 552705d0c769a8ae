"""An import from beginning to end: read, look at every label, and write if nothing is left for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ssgan.data.classes import Registry
from ssgan.errors import ConfigError
from ssgan.intake import queue
from ssgan.intake.formats import read_labels
from ssgan.intake.known import Known
from ssgan.intake.review import Review, Rules, near, review
from ssgan.intake.said import Format, Read
from ssgan.intake.votes import votes_of
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy, State
from ssgan.ledger.store import Ledger
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.ledger.vote import time_text


@dataclass(frozen=True)
class Wishes:
    """What a person asks for; see the options of ``ssgan labels import``."""

    kind: Format | None = None
    annotator: str = ""
    time: str = ""
    new_classes: Sequence[str] = ()
    allow_test: bool = False
    allow_conflicts: bool = False


@dataclass(frozen=True)
class Import:
    """A file that was looked at. Nothing is written yet. queue: what a person has to decide."""

    ledger: Ledger
    read: Read
    review: Review
    queue: list[queue.Row]
    new_classes: Sequence[str]

    def write(self) -> str | None:
        """Add the new classes and the accepted votes to the ledger. Returns the id of the batch, None if there is no vote."""
        for name in self.new_classes:
            self.ledger.record(Event("class", name, "", "", now()))
        return self.ledger.append(self.review.accepted) if self.review.accepted else None


def now() -> str:
    """The time of an event."""
    return time_text(datetime.now(UTC))


def prepare(path: Path, ledger: Ledger, known: Known, policy: Policy, wishes: Wishes) -> Import:
    """Look at a file.

    Raises:
        DataError: the file or the ledger is broken. ConfigError: a new class is none.
    """
    read = read_labels(path, wishes.kind)
    files = ledger.read()
    state = files.state(policy)
    incomings = votes_of(read, path.name or path.resolve().name, known, files, wishes.annotator, wishes.time)
    present = class_names(known.registry, state.taxonomy)
    fresh = [name for name in wishes.new_classes if _is_new(name, present, state.taxonomy)]
    rules = Rules(policy, [*present, *fresh], wishes.allow_test, wishes.allow_conflicts)
    undone = [vote for batch in files.undone for vote in files.votes.get(batch, ())]
    result = review(read, incomings, known, state, undone, rules)
    return Import(ledger, read, result, queue.of_review(result, known, state), fresh)


def class_names(registry: Registry, taxonomy: Taxonomy) -> list[str]:
    """Today's names of all classes that are in use: those with an id, and those that somebody decided on since."""
    grown = registry.grown([taxonomy.today(name) for name in taxonomy.decided], taxonomy)
    return [name for name in grown.names if name not in grown.retired]


def _is_new(name: str, present: Sequence[str], taxonomy: Taxonomy) -> bool:
    if taxonomy.given_up(name):
        raise ConfigError(f"--new-class {name!r}: that is an earlier name of {taxonomy.today(name)!r}; choose another one")
    return bool(name.strip()) and name not in present


def require_class(name: str, state: State, registry: Registry) -> None:
    """Raise ConfigError if there is no such class today."""
    present = class_names(registry, state.taxonomy)
    if name in present:
        return
    if state.taxonomy.given_up(name):
        raise ConfigError(f"{name!r} is {state.taxonomy.today(name)!r} today; use that name")
    meant = near(name, present)
    hint = f"did you mean {meant[0]!r}?" if meant else f"classes are {', '.join(present) or 'not there yet'}"
    raise ConfigError(f"there is no class {name!r}; {hint}")


def require_free(name: str, state: State, registry: Registry) -> None:
    """Raise ConfigError if a name is or was the name of a class."""
    if not name.strip():
        raise ConfigError("the new name of a class must not be empty")
    if name in class_names(registry, state.taxonomy):
        raise ConfigError(f"{name!r} is another class already; to make one of two: `ssgan labels merge FROM INTO`")
    if state.taxonomy.given_up(name):
        raise ConfigError(
            f"{name!r} is an earlier name of {state.taxonomy.today(name)!r}; choose another one, or undo that renaming"
        )
