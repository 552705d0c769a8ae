"""What happens to votes and classes after the fact. Events are content-addressed like votes, and nothing is ever deleted."""

from __future__ import annotations

from typing import Literal, NamedTuple

EventKind = Literal["undo", "class", "rename", "merge", "aside"]
NO_CLASS, UNUSABLE = "none of these", "unusable"  # how the reason of an image that was set aside begins


class Event(NamedTuple):
    """One decision.

    undo: the batch or event ``name`` no longer holds (an undo can be undone). class: ``name`` is a class from now on.
    rename: class ``name`` is called ``into``, and keeps its id. merge: all of class ``name`` is class ``into``; the id of
    ``name`` is retired. aside: somebody looked at the image ``name`` (hex sha256) and gave it no class; ``into`` says why.
    by: who. time: ISO 8601, UTC; of two renames of one class the earlier holds.
    """

    event: EventKind
    name: str
    into: str
    by: str
    time: str
