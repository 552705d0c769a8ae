"""What an import would do, before it does it: every label of the file is of exactly one kind.

"Today" is the state of the ledger before the import. Votes are compared under today's names of classes, and written with the
word that was said.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ssgan.data import classes
from ssgan.intake.known import Known
from ssgan.intake.said import Read
from ssgan.intake.votes import Incoming, Incomings
from ssgan.ledger.state import Policy, State, counting, decide, in_order
from ssgan.ledger.vote import Key, Vote


class Kind(StrEnum):
    """What becomes of one label of the file."""

    new = "new"  # the image has no label today
    changed = "changed"  # the label of the image changes
    unchanged = "unchanged"  # one more vote; the label of the image stays
    repeated = "repeated"  # the ledger holds this very vote
    twice = "twice in the file"
    undone = "undone"  # a person took this very vote back
    conflict = "conflicting"
    test = "test image"  # the label of an image of the test set would change
    unknown_image = "unknown image"
    unknown_class = "unknown class"
    problem = "no single label"


WRITTEN = (Kind.new, Kind.changed, Kind.unchanged)
NEEDS_A_PERSON = (Kind.conflict, Kind.test, Kind.unknown_image, Kind.unknown_class, Kind.problem)

REMEDY = {
    Kind.undone: "to have them back: `ssgan labels undo ID` of the undo (`ssgan labels status` lists them)",
    Kind.conflict: "fill in the queue file and import that, or record the votes as they are: --allow-conflicts",
    Kind.test: "models were judged by the old label; if that is wrong: --allow-test",
    Kind.unknown_image: "add the images, run `dvc repro ingest` and import again, or mend the file (sha256 is safest)",
    Kind.unknown_class: "mend the spelling; or it is a class: --new-class NAME; or a new name: `ssgan labels rename OLD NEW`",
    Kind.problem: "decide on one class for each in the labeling tool, and export again",
}


class Item(NamedTuple):
    """One label of the file. text: what is to be said about it. vote: as it would be written; None where it cannot be one."""

    text: str
    where: str
    vote: Vote | None = None


@dataclass(frozen=True)
class Review:
    """items: all labels of the file, by kind. accepted: the votes that an import writes. suggestions: known classes that look
    like an unknown one. notes: what else a person should know."""

    items: dict[Kind, list[Item]]
    accepted: list[Vote]
    suggestions: dict[str, list[str]]
    notes: list[str]
    needs_a_person: bool


class Rules(NamedTuple):
    """What may come in. classes: known names, and those that a person decided on now."""

    policy: Policy
    classes: Sequence[str]
    allow_test: bool = False
    allow_conflicts: bool = False


def review(read: Read, incomings: Incomings, known: Known, state: State, undone: Iterable[Vote], rules: Rules) -> Review:
    """Look at every label of a file.

    Args:
        state: the ledger today.
        undone: votes that were taken back (if they hold all the same, by another batch, they are repeated).
    """
    judge = _Judge(known, state, rules, {_today(vote, state).key for vote in undone})
    items: dict[Kind, list[Item]] = {kind: [] for kind in Kind}
    items[Kind.problem] = [Item(text, "") for text in read.problems]
    items[Kind.unknown_image] = [Item(said.path or said.sha256, said.where) for said in incomings.unknown]
    together: dict[str, list[Incoming]] = {}
    for one in incomings.votes:
        kind = judge.alone(one.vote)
        if kind is None:
            together.setdefault(one.vote.image, []).append(one)
        else:
            items[kind].append(Item(judge.text(kind, one.vote), one.where, one.vote))
    for found in together.values():
        kind = judge.together([one.vote for one in found])
        items[kind] += [Item(judge.text(kind, one.vote), one.where, one.vote) for one in found]
    written = (*WRITTEN, Kind.conflict) if rules.allow_conflicts else WRITTEN
    strange = {item.vote.label for item in items[Kind.unknown_class] if item.vote}
    return Review(
        items=items,
        accepted=in_order(item.vote for kind in written for item in items[kind] if item.vote),
        suggestions={name: near(name, rules.classes) for name in sorted(strange)},
        notes=_notes(read, incomings),
        needs_a_person=any(items[kind] for kind in NEEDS_A_PERSON if kind not in written),
    )


def _notes(read: Read, incomings: Incomings) -> list[str]:
    cut = [f"{count} images were found by leaving away {start!r} before their path" for start, count in incomings.cut.items()]
    return [f"{count} {what}" for what, count in read.skipped.items()] + cut


class _Judge:
    """Decides on the kind of votes; remembers those that it has seen."""

    def __init__(self, known: Known, state: State, rules: Rules, undone: set[Key]) -> None:
        self.known, self.state, self.rules, self.undone = known, state, rules, undone
        self.seen: set[Key] = set()

    def alone(self, said: Vote) -> Kind | None:
        """What can be told of one vote without the others of its image."""
        vote = _today(said, self.state)
        twice = vote.key in self.seen
        self.seen.add(vote.key)
        if any(vote.key == other.key for other in self.state.votes.get(vote.image, ())):
            return Kind.repeated
        if vote.label not in self.rules.classes:
            return Kind.unknown_class
        if twice:
            return Kind.twice
        if vote.key in self.undone:
            return Kind.undone
        return None

    def together(self, votes: list[Vote]) -> Kind:
        """What the new votes of one image do to its label."""
        image, said = votes[0].image, [_today(vote, self.state) for vote in votes]
        tested = self.in_test(image)
        if tested is not None and not self.rules.allow_test and any(vote.label != tested for vote in said):
            return Kind.test
        before = self.state.labels.get(image)
        after = decide([*self.state.votes.get(image, ()), *said], self.rules.policy)
        if after is None:
            return Kind.conflict
        return Kind.new if before is None else Kind.unchanged if before == after else Kind.changed

    def in_test(self, image: str) -> str | None:
        """The label with which an image is in the test set; None: it is not in it."""
        label = self.known.test.get(image)
        return None if label is None else self.state.taxonomy.today(label)

    def text(self, kind: Kind, vote: Vote) -> str:
        """A vote in words."""
        image, label = self.known.shown(vote.image), self.state.taxonomy.today(vote.label)
        if kind is Kind.test:
            return f"{image}: {label}, in the test set as {self.in_test(vote.image)}"
        if kind is Kind.changed:
            return f"{image}: {self.state.labels[vote.image]} -> {label}"
        if kind is Kind.conflict:
            others = {v.label for v in counting(self.state.votes.get(vote.image, ()))} - {label}
            return f"{image}: {label}" + (f" but {' and '.join(sorted(others))} before" if others else " and others")
        return f"{image}: {label}"


def _today(vote: Vote, state: State) -> Vote:
    return vote._replace(label=state.taxonomy.today(vote.label))


def near(name: str, known: Sequence[str]) -> list[str]:
    """Known classes that may be meant: other case, spaces or punctuation, or a slip of the pen."""
    spelled = [other for other in known if classes.similar([name, other])]
    folded = {other.casefold(): other for other in known}
    close = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.75)]
    return list(dict.fromkeys([*spelled, *close]))
