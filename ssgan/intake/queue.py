"""What a person has to decide, as a CSV file: fill in ``label``, and import the file like any other.

A line that stays empty is no vote. The column ``settles`` makes a filled one a decision: it holds the time of the newest vote
that the person has seen; votes up to then no longer count (ssgan.ledger.vote.Vote).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ssgan import atomic
from ssgan.errors import DataError
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.review import Kind, Review
from ssgan.ledger.state import State, effective_votes, in_order
from ssgan.ledger.vote import Vote

TO_DECIDE = (Kind.conflict, Kind.test, Kind.unknown_class)


class QueueRow(NamedTuple):
    """One image. candidates: who said what and when, for reading."""

    sha256: str
    path: str
    candidates: str
    label: str
    settles: str
    reason: str


def of_review(review: Review, project: ProjectIndex, state: State) -> list[QueueRow]:
    """A row for every image of an import that a person has to decide on."""
    found: dict[str, list[Vote]] = {}
    reason: dict[str, str] = {}
    for kind in TO_DECIDE:
        for item in review.items[kind]:
            if item.vote and item.vote not in review.accepted:
                found.setdefault(item.vote.image, []).append(item.vote)
                reason.setdefault(item.vote.image, kind.value)
    return [_row(image, [*state.votes.get(image, ()), *found[image]], project, reason[image]) for image in sorted(found)]


def of_conflicts(state: State, project: ProjectIndex | None) -> list[QueueRow]:
    """A row for every image of the ledger that its policy cannot decide on."""
    return [_row(image, state.votes[image], project, Kind.conflict.value) for image in state.conflicts]


def _row(image: str, votes: Sequence[Vote], project: ProjectIndex | None, reason: str) -> QueueRow:
    candidates = " | ".join(f"{vote.label} ({vote.annotator}, {vote.time[:10]})" for vote in effective_votes(votes))
    newest = in_order(votes)[-1].time
    return QueueRow(image, project.path.get(image, "") if project else "", candidates, "", newest, reason)


def require_new(path: Path) -> None:
    """Raise DataError if there is a queue file already: it may hold answers."""
    if path.exists():
        raise DataError(
            f"{path} exists and may hold answers; import it (`ssgan labels import {path}`), then delete it, or name another "
            "file with --queue"
        )


def write(path: Path, rows: Iterable[QueueRow]) -> None:
    """Write a queue file in one step. Raises DataError if it exists."""
    require_new(path)
    with atomic.replaced(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(QueueRow._fields)
        table.writerows(rows)
