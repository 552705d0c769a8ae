"""From all votes to one label per image.

Which votes count: after a decision of a person (``Vote.settles``) only that decision and what came later; and of one annotator
only the newest vote, for people change their minds. A policy then finds one label among those, or none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ssgan.ledger.taxonomy import Taxonomy
from ssgan.ledger.vote import Vote

Policy = Literal["latest", "majority", "require_agreement"]


@dataclass(frozen=True)
class State:
    """What a ledger says today. Images are in order of their ids, labels are today's names of classes.

    votes: all that hold, of each image, in order of time. labels: of the images that the policy can decide on.
    conflicts: of the others, the votes that count.
    """

    votes: dict[str, list[Vote]]
    labels: dict[str, str]
    conflicts: dict[str, list[Vote]]
    taxonomy: Taxonomy


def make_state(votes: Iterable[Vote], taxonomy: Taxonomy, policy: Policy) -> State:
    """The state that follows from votes in any order, each any number of times."""
    by_image: dict[str, dict[object, Vote]] = {}
    for vote in sorted(votes):  # of equal statements from several files, always the same one stays
        vote = vote._replace(label=taxonomy.current_name(vote.label))
        by_image.setdefault(vote.image, {}).setdefault(vote.key, vote)
    listed = {image: in_order(found.values()) for image, found in by_image.items()}
    decided = {image: decide(found, policy) for image, found in listed.items()}
    return State(
        votes=listed,
        labels={image: label for image, label in decided.items() if label is not None},
        conflicts={image: effective_votes(listed[image]) for image, label in decided.items() if label is None},
        taxonomy=taxonomy,
    )


def in_order(votes: Iterable[Vote]) -> list[Vote]:
    """By time; simultaneous ones by their other fields."""
    return sorted(votes, key=lambda vote: (vote.time, vote))


def effective_votes(votes: Sequence[Vote]) -> list[Vote]:
    """The votes of one image that count (see above), in order of time."""
    settled = max((vote.settles for vote in votes), default="")
    since = [vote for vote in votes if vote.settles == settled or vote.time > settled]
    newest: dict[str, str] = {}
    for vote in since:
        newest[vote.annotator] = max(vote.time, newest.get(vote.annotator, ""))
    return in_order(vote for vote in since if vote.time == newest[vote.annotator])


def decide(votes: Sequence[Vote], policy: Policy) -> str | None:
    """The label of one image by its votes; None where the policy finds none (no vote, or a conflict).

    latest: the newest vote. majority: what more than half of the annotators say. require_agreement: what all say.
    Simultaneous votes for different classes are never decided by chance.
    """
    if len(votes) == 1:
        return votes[0].label  # most images
    votes = effective_votes(votes)
    if policy == "latest":
        votes = [vote for vote in votes if vote.time == votes[-1].time]
    counts = Counter(label for _, label in {(vote.annotator, vote.label) for vote in votes})
    if policy == "majority":
        label, most = counts.most_common(1)[0] if counts else ("", 0)
        return label if 2 * most > counts.total() else None
    return next(iter(counts)) if len(counts) == 1 else None
