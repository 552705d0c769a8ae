"""The names of classes over time. A class is an id; its name may change, and two classes may become one.

Old votes keep the name that was used. A former name leads to the class that took its place, for old votes and for
those of an annotator who has not heard of it yet; so it can never become the name of another class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssgan.ledger.event import Event
from ssgan.names import class_name


@dataclass(frozen=True)
class Taxonomy:
    """What became of each name.

    renamed: old name to new name. merged: name of a retired class to the class that took its images. decided: names that
    became classes by a decision. contradictions: events that do not fit an earlier one (two branches renamed one class).
    """

    renamed: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    decided: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def current_name(self, name: str) -> str:
        """The class that a name leads to."""
        name = class_name(name)
        while (following := self.renamed.get(name) or self.merged.get(name)) is not None:
            name = following
        return name

    def names(self, first: str) -> list[str]:
        """All names of the class whose first name this is, the current one last; of a retired class, all it ever had."""
        found = [first]
        while found[-1] in self.renamed:
            found.append(self.renamed[found[-1]])
        return found

    def first(self, name: str) -> str:
        """The first name that this class had."""
        before = {new: old for old, new in self.renamed.items()}
        while name in before:
            name = before[name]
        return name

    def is_former_name(self, name: str) -> bool:
        """Whether the class has another name by now, or was merged into another class."""
        return name in self.renamed or name in self.merged


def make_taxonomy(events: Mapping[str, Event]) -> Taxonomy:
    """Fold the events that hold, in the order of their times (then of their ids)."""
    names = Taxonomy()
    for number, event in sorted(events.items(), key=lambda item: (item[1].time, item[0])):
        event = event._replace(name=class_name(event.name), into=class_name(event.into))
        if event.event == "class":
            names.decided.append(event.name)
        elif event.event in ("rename", "merge"):
            _apply(names, number, event)
    return names


def _apply(names: Taxonomy, number: str, event: Event) -> None:
    """Note a rename or a merge, or why it cannot be."""
    if names.is_former_name(event.name):
        today = names.current_name(event.name)
        names.contradictions.append(f"{number}: {event.name!r} is {today!r} already, not {event.into!r}")
    elif names.current_name(event.into) == event.name:
        names.contradictions.append(f"{number}: {event.into!r} leads to {event.name!r}, which would be a cycle")
    elif event.event == "merge":
        names.merged[event.name] = event.into
    elif names.is_former_name(event.into) or event.into in names.renamed.values():
        names.contradictions.append(f"{number}: {event.into!r} is or was another class; merge {event.name!r} into it")
    else:
        names.renamed[event.name] = event.into
