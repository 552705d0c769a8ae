"""An import from beginning to end: read the file, review every label, and write if nothing is left for a person to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ssgan.data import classes
from ssgan.data.classes import ClassRegistry
from ssgan.errors import ConfigError
from ssgan.intake import queue
from ssgan.intake.formats import read_labels
from ssgan.intake.matching import Matcher
from ssgan.intake.options import ImportOptions
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import ParsedFile, printable
from ssgan.intake.review import Review, ReviewRules, review
from ssgan.intake.spelling import similar_names
from ssgan.intake.votes import resolve_votes
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy, State
from ssgan.ledger.store import Ledger
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.ledger.vote import time_text
from ssgan.names import class_name, is_placeholder


@dataclass(frozen=True)
class Import:
    """A reviewed file. Nothing is written yet. queue: what a person has to decide."""

    ledger: Ledger
    parsed: ParsedFile
    review: Review
    queue: list[queue.QueueRow]
    new_classes: Sequence[str]

    def write(self) -> str | None:
        """Add the new classes and the accepted votes to the ledger. Returns the id of the batch, None if there is no vote.

        A file without any label adds no class either.
        """
        if not self.parsed.labels:
            return None
        for name in self.new_classes:
            self.ledger.record(Event("class", name, "", "", now()))
        return self.ledger.append(self.review.accepted) if self.review.accepted else None


def now() -> str:
    """The time of an event."""
    return time_text(datetime.now(UTC))


def prepare(path: Path, ledger: Ledger, project: ProjectIndex, policy: Policy, options: ImportOptions) -> Import:
    """Read and review a file.

    Raises:
        DataError: the file or the ledger is broken. ConfigError: the name of a new class is a former one of another class.
    """
    parsed = read_labels(path, options.kind, options.fields)
    files = ledger.read()
    state = files.state(policy)
    matches = Matcher(project, options.path_prefix).match(parsed.labels)
    resolved = resolve_votes(parsed, matches, printable(path.name or path.resolve().name), files, options)
    present = class_names(project.registry, state.taxonomy)
    wanted = dict.fromkeys(map(class_name, options.new_classes))
    added = [name for name in wanted if _is_new_class(name, present, state.taxonomy)]
    rules = ReviewRules(policy, [*present, *added], options.allow_test, options.allow_conflicts)
    undone = [vote for batch in files.undone for vote in files.votes.get(batch, ())]
    result = review(parsed, resolved, project, state, undone, rules)
    return Import(ledger, parsed, result, queue.of_review(result, project, state), added)


def clearly_new(review: Review) -> list[str]:
    """Unknown classes of a file that look like no class that is there, nor like each other in another spelling."""
    names = [name for name, meant in review.suggestions.items() if not (meant or is_placeholder(name))]
    spelled_twice = {name for group in classes.similar(names) for name in group}
    return [name for name in names if name not in spelled_twice]


def class_names(registry: ClassRegistry, taxonomy: Taxonomy) -> list[str]:
    """Current names of all classes in use: those with an id, and those that were added by decision since."""
    grown = registry.grown([taxonomy.current_name(name) for name in taxonomy.decided], taxonomy)
    return [name for name in grown.names if name not in grown.retired]


def _is_new_class(name: str, present: Sequence[str], taxonomy: Taxonomy) -> bool:
    if taxonomy.is_former_name(name):
        raise ConfigError(f"--new-class {name!r}: is a former name of {taxonomy.current_name(name)!r}; choose another one")
    return bool(name.strip()) and name not in present


def require_class(name: str, state: State, registry: ClassRegistry) -> None:
    """Raise ConfigError if there is no such class today."""
    present = class_names(registry, state.taxonomy)
    if name in present:
        return
    if state.taxonomy.is_former_name(name):
        raise ConfigError(f"{name!r} is {state.taxonomy.current_name(name)!r} today; use that name")
    meant = similar_names(name, present)
    hint = f"did you mean {meant[0]!r}?" if meant else f"classes are {', '.join(present) or 'not there yet'}"
    raise ConfigError(f"there is no class {name!r}; {hint}")


def require_free(name: str, state: State, registry: ClassRegistry) -> None:
    """Raise ConfigError if a name is or was the name of a class."""
    if not name.strip():
        raise ConfigError("the new name of a class must not be empty")
    if name in class_names(registry, state.taxonomy):
        raise ConfigError(f"{name!r} is another class already; to make one of two: `ssgan labels merge FROM INTO`")
    if state.taxonomy.is_former_name(name):
        raise ConfigError(
            f"{name!r} is a former name of {state.taxonomy.current_name(name)!r}; choose another one, or undo the rename"
        )
