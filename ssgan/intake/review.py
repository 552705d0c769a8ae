"""What an import would do, before it does it: every label of the file is of exactly one kind.

"Today" is the state of the ledger before the import. Votes are compared under the current names of classes, and written with
the name in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ssgan.intake.addresses import as_written
from ssgan.intake.hints import hints, nothing_came_in, same_person
from ssgan.intake.matching import UPLOAD
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import USER_NUMBER, ParsedFile
from ssgan.intake.spelling import similar_names
from ssgan.intake.votes import LabelWithoutImage, ResolvedVotes, VoteInFile, same_content
from ssgan.ledger.state import Policy, State, decide, effective_votes, in_order
from ssgan.ledger.vote import Key, Vote
from ssgan.wording import counted


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
    unclear_image = "unclear image"  # the path may be that of several images, or two paths that of one
    unclear_annotator = "unclear annotator"  # another file of this name said otherwise; is it the same person?
    unknown_class = "unknown class"
    problem = "problem"  # each with its own remedy


WRITTEN = (Kind.new, Kind.changed, Kind.unchanged)
NEEDS_A_PERSON = (
    Kind.conflict, Kind.test, Kind.unknown_image, Kind.unclear_image, Kind.unclear_annotator, Kind.unknown_class, Kind.problem,
)  # fmt: skip

REMEDY = {
    Kind.undone: "to have them back: `ssgan labels undo ID` of the undo (`ssgan labels status` lists them)",
    Kind.conflict: "fill in the queue file and import that, or record the votes as they are: --allow-conflicts",
    Kind.test: "models were evaluated with the old label; if that label is wrong: --allow-test",
    Kind.unknown_image: "add the images, run `dvc repro ingest` and import again, or fix the file (sha256 is safest)",
    Kind.unclear_image: "write the path of the image as it was ingested, or its sha256, and import again",
    Kind.unclear_annotator: "another file of this name has other labels, and this one does not say who labeled; "
    "name the person with --annotator",
    Kind.unknown_class: "fix the spelling; if it is new, --new-class NAME, or --new-classes all for those that look like no "
    "other; `ssgan labels rename OLD NEW` if it was renamed",
}


class ReviewedLabel(NamedTuple):
    """One label of the file. text: for people. vote: as it would be written; None where it cannot be one."""

    text: str
    where: str
    vote: Vote | None = None


@dataclass(frozen=True)
class Review:
    """items: all labels of the file, by kind. accepted: the votes that an import writes. suggestions: known classes that look
    like an unknown one. notes: further remarks for people. hints: remedies for this very file."""

    items: dict[Kind, list[ReviewedLabel]]
    accepted: list[Vote]
    suggestions: dict[str, list[str]]
    notes: list[str]
    hints: list[str]
    needs_a_person: bool


class ReviewRules(NamedTuple):
    """What may be imported. classes: known names, and those that are added now."""

    policy: Policy
    classes: Sequence[str]
    allow_test: bool = False
    allow_conflicts: bool = False


def review(
    parsed: ParsedFile, resolved: ResolvedVotes, project: ProjectIndex, state: State, undone: Iterable[Vote], rules: ReviewRules
) -> Review:
    """Review every label of a file.

    Args:
        state: the ledger today.
        undone: votes that were taken back (if another batch holds them too, they are repeated).
    """
    reviewer = _Reviewer(project, state, rules, {_renamed(vote, state).key for vote in undone})
    items: dict[Kind, list[ReviewedLabel]] = {kind: [] for kind in Kind}
    items[Kind.problem] = [ReviewedLabel(one.text, "") for one in parsed.problems]
    for lost in resolved.lost:
        items[Kind.unclear_image if lost.match.unclear else Kind.unknown_image].append(_lost(lost))
    by_image: dict[str, list[VoteInFile]] = {}
    reviewer.recognize(resolved.votes)
    for one in resolved.votes:
        kind = reviewer.kind_of_vote(one)
        if kind is None:
            by_image.setdefault(one.vote.image, []).append(one)
        else:
            items[kind].append(ReviewedLabel(reviewer.text(kind, one.vote), one.where, one.vote))
    for found in by_image.values():
        kind = reviewer.kind_of_votes([one.vote for one in found])
        items[kind] += [ReviewedLabel(reviewer.text(kind, one.vote), one.where, one.vote) for one in found]
    if not any(items.values()):
        items[Kind.problem] = [ReviewedLabel(nothing_came_in(parsed), "")]
    written = (*WRITTEN, Kind.conflict) if rules.allow_conflicts else WRITTEN
    # who is behind such a name is open for all labels of the file, not only for those that differ
    namesakes = {item.vote.annotator for item in items[Kind.unclear_annotator] if item.vote}
    unknown = {item.vote.label for item in items[Kind.unknown_class] if item.vote}
    return Review(
        items=items,
        accepted=in_order(
            item.vote for kind in written for item in items[kind] if item.vote and item.vote.annotator not in namesakes
        ),
        suggestions={name: similar_names(name, rules.classes) for name in sorted(unknown)},
        notes=[*_notes(parsed, resolved), *_overruled(items[Kind.unchanged], state)],
        hints=[*hints(parsed, resolved, project), *same_person(namesakes)],
        needs_a_person=any(items[kind] for kind in NEEDS_A_PERSON if kind not in written),
    )


def _lost(label: LabelWithoutImage) -> ReviewedLabel:
    raw, match = label
    name = raw.path or raw.sha256
    return ReviewedLabel(match.unclear or (f"{name} ({match.hint})" if match.hint else name), raw.where)


def _notes(parsed: ParsedFile, resolved: ResolvedVotes) -> list[str]:
    cut = [
        f"{counted(count, 'image was', 'images were')} found by their file name alone, since uploads to Label Studio keep "
        "no folder"
        if start == UPLOAD
        else f"{counted(count, 'image was', 'images were')} found by stripping {as_written(start)!r} from their path"
        for start, count in resolved.cut.most_common()
    ]
    nobody = (one.vote.annotator for one in resolved.votes if not one.named)
    unnamed = Counter(name for name in nobody if not name.startswith(USER_NUMBER))  # a number is at least one person's
    who = [
        f"{counted(count, 'label is', 'labels are')} noted as by {name!r}; --annotator NAME names the person"
        for name, count in unnamed.items()
    ]
    tallied = [f"{count} {what}" for what, count in (*parsed.skipped.items(), *parsed.remarks.items())]
    return tallied + cut + who


def _overruled(unchanged: Iterable[ReviewedLabel], state: State) -> list[str]:
    votes = [_renamed(item.vote, state) for item in unchanged if item.vote]
    count = sum(vote.label != state.labels.get(vote.image) for vote in votes)
    return [f"{count} of the unchanged say otherwise, but newer votes or more of them stand against these"] if count else []


class _Reviewer:
    """Decides on the kind of each vote; remembers those that it has seen."""

    def __init__(self, project: ProjectIndex, state: State, rules: ReviewRules, undone: set[Key]) -> None:
        self.project, self.state, self.rules, self.undone = project, state, rules, undone
        self.seen: set[Key] = set()
        self.recognized: set[str] = set()

    def recognize(self, votes: Iterable[VoteInFile]) -> None:
        """Users of a labeling tool who repeat a vote of the ledger, to the millisecond, are those of the ledger."""
        users = (_renamed(one.vote, self.state) for one in votes if one.vote.annotator.startswith(USER_NUMBER))
        self.recognized = {vote.annotator for vote in users if self._is_repeated(vote)}

    def _is_repeated(self, vote: Vote) -> bool:
        return any(vote.key == other.key for other in self.state.votes.get(vote.image, ()))

    def kind_of_vote(self, one: VoteInFile) -> Kind | None:
        """The kind of a vote that does not depend on the other votes of its image; None where it does."""
        vote = _renamed(one.vote, self.state)
        twice = vote.key in self.seen
        self.seen.add(vote.key)
        if self._is_repeated(vote):
            return Kind.repeated
        if vote.label not in self.rules.classes:
            return Kind.unknown_class
        if twice:
            return Kind.twice
        if vote.key in self.undone:
            return Kind.undone
        if not one.named and self.namesake(vote) is not None:
            return Kind.unclear_annotator
        return None

    def namesake(self, vote: Vote) -> Vote | None:
        """The newest vote on the image by the same unsure name, where it came by other content and says otherwise."""
        if vote.settles or vote.annotator in self.recognized:
            return None
        by_name = [other for other in self.state.votes.get(vote.image, ()) if other.annotator == vote.annotator]
        newest = by_name[-1] if by_name else None  # in order of time
        other_content = newest is not None and not (newest.settles or same_content(newest.source, vote.source))
        return newest if other_content and newest is not None and newest.label != vote.label else None

    def kind_of_votes(self, votes: list[Vote]) -> Kind:
        """What the new votes of one image do to its label."""
        image, new = votes[0].image, [_renamed(vote, self.state) for vote in votes]
        tested = self.in_test(image)
        if tested is not None and not self.rules.allow_test and any(vote.label != tested for vote in new):
            return Kind.test
        before = self.state.labels.get(image)
        after = decide([*self.state.votes.get(image, ()), *new], self.rules.policy)
        if after is None:
            return Kind.conflict
        return Kind.new if before is None else Kind.unchanged if before == after else Kind.changed

    def in_test(self, image: str) -> str | None:
        """The label with which an image is in the test set; None: it is not in it."""
        label = self.project.test.get(image)
        return None if label is None else self.state.taxonomy.current_name(label)

    def text(self, kind: Kind, vote: Vote) -> str:
        """A vote as text."""
        image, label = self.project.display_name(vote.image), self.state.taxonomy.current_name(vote.label)
        if kind is Kind.test:
            return f"{image}: {label}, in the test set as {self.in_test(vote.image)}"
        if kind is Kind.unclear_annotator and (before := self.namesake(_renamed(vote, self.state))):
            return f"{image}: {label}, but {before.label} by {before.annotator!r} in another file, {before.source}"
        if kind is Kind.changed:
            return f"{image}: {self.state.labels[vote.image]} -> {label}"
        if kind is Kind.conflict:
            others = {v.label for v in effective_votes(self.state.votes.get(vote.image, ()))} - {label}
            return f"{image}: {label}" + (f" but {' and '.join(sorted(others))} before" if others else " and others")
        return f"{image}: {label}"


def _renamed(vote: Vote, state: State) -> Vote:
    return vote._replace(label=state.taxonomy.current_name(vote.label))
