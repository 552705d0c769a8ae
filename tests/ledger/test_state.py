"""From votes to a label: whose vote counts, what a policy decides, and what it leaves to a person."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy, decide, effective_votes, make_state
from ssgan.ledger.taxonomy import make_taxonomy
from ssgan.ledger.vote import Vote
from tests.support.votes import votes

ALL: tuple[Policy, ...] = ("latest", "majority", "require_agreement")


def vote(label: str, who: str, day: int, settles: int = 0) -> Vote:
    def text(number: int) -> str:
        return f"2026-01-{number:02d}T00:00:00.000Z" if number else ""

    return Vote("a" * 64, label, who, text(day), "x.csv", text(settles))


@pytest.mark.parametrize(
    ("said", "expected"),  # expected: by latest, majority, require_agreement
    [
        ([vote("cat", "eva", 1)], ("cat", "cat", "cat")),
        ([vote("cat", "eva", 1), vote("cat", "bob", 2)], ("cat", "cat", "cat")),
        ([vote("cat", "eva", 1), vote("dog", "bob", 2)], ("dog", None, None)),
        ([vote("cat", "eva", 1), vote("dog", "bob", 2), vote("cat", "ann", 1)], ("dog", "cat", None)),
        # one person who changes her mind is one opinion
        ([vote("cat", "eva", 1), vote("dog", "eva", 2)], ("dog", "dog", "dog")),
        ([vote("cat", "eva", 1), vote("cat", "eva", 2), vote("dog", "bob", 3)], ("dog", None, None)),
        # the most votes are no majority if they are not more than half
        ([vote("cat", "a", 1), vote("cat", "b", 2), vote("dog", "c", 3), vote("fox", "d", 4)], ("fox", None, None)),
        # at one moment: never by chance
        ([vote("cat", "eva", 1), vote("dog", "eva", 1)], (None, None, None)),
        ([vote("cat", "eva", 1), vote("dog", "bob", 1)], (None, None, None)),
        # a decision settles what was before it, and only that
        ([vote("cat", "eva", 1), vote("dog", "bob", 2), vote("cat", "ann", 9, settles=2)], ("cat", "cat", "cat")),
        ([vote("cat", "eva", 1), vote("cat", "bob", 2), vote("dog", "ann", 9, settles=2)], ("dog", "dog", "dog")),
        ([vote("cat", "eva", 1), vote("dog", "bob", 3), vote("cat", "ann", 9, settles=1)], ("cat", None, None)),
        ([vote("cat", "ann", 2, settles=1), vote("dog", "bob", 3)], ("dog", None, None)),
        # a decision on more evidence replaces an earlier one; one that was made later on less evidence is a vote
        ([vote("cat", "ann", 3, settles=1), vote("dog", "eva", 5, settles=4)], ("dog", "dog", "dog")),
        ([vote("cat", "ann", 9, settles=1), vote("dog", "eva", 5, settles=4)], ("cat", None, None)),
    ],
)  # fmt: skip
def test_policies(said: list[Vote], expected: tuple[str | None, ...]) -> None:
    assert tuple(decide(said, policy) for policy in ALL) == expected


@given(st.lists(votes.map(lambda v: v._replace(image="a" * 64)), min_size=1, max_size=8), st.sampled_from(ALL))
def test_rules_that_hold_for_all_votes(said: list[Vote], policy: Policy) -> None:
    label = decide(said, policy)
    counted = effective_votes(said)
    assert counted
    assert label is None or label in {v.label for v in counted}
    if len({v.label for v in counted}) == 1:
        assert label == counted[0].label  # who agrees is never in conflict, whatever the policy
    if decide(said, "require_agreement") is not None:
        assert all(decide(said, other) == decide(said, "require_agreement") for other in ALL)
    newest = max(v.time for v in said)
    decision = said[0]._replace(label="owl", annotator="ann", time="2026-02-01T00:00:00.000Z", settles=newest)
    if all(v.settles < newest for v in said):
        assert decide([*said, decision], policy) == "owl"


def events(*found: tuple[str, str, str]) -> dict[str, Event]:
    return {str(i): Event(kind, a, b, "eva", f"2026-01-{i + 1:02d}") for i, (kind, a, b) in enumerate(found)}  # type: ignore[arg-type]


def test_old_and_late_votes_with_an_old_name_count_for_the_class_of_today() -> None:
    names = make_taxonomy(events(("rename", "cat", "Cat"), ("merge", "kitten", "cat"), ("rename", "Cat", "feline")))
    assert names.contradictions == []
    assert {names.current_name(name) for name in ("cat", "Cat", "kitten", "feline")} == {"feline"}
    assert names.names("cat") == ["cat", "Cat", "feline"]
    assert names.first("feline") == "cat"
    state = make_state(
        [vote("kitten", "eva", 20), vote("cat", "bob", 25), vote("feline", "ann", 9)], names, "require_agreement"
    )
    assert state.labels == {"a" * 64: "feline"}


def test_a_class_that_was_renamed_and_then_merged_is_retired_under_its_last_name() -> None:
    names = make_taxonomy(events(("rename", "kitten", "Kitten"), ("merge", "Kitten", "cat")))
    assert names.names("kitten") == ["kitten", "Kitten"]
    assert "Kitten" in names.merged
    assert names.current_name("kitten") == "cat"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (("rename", "cat", "feline"), "'cat' is 'Cat' already, not 'feline'"),
        (("merge", "cat", "dog"), "'cat' is 'Cat' already"),
        (("merge", "Cat", "cat"), "would be a cycle"),
        (("rename", "Cat", "Cat"), "would be a cycle"),
        (("rename", "dog", "Cat"), "'Cat' is or was another class; merge"),
        (("rename", "dog", "cat"), "'cat' is or was another class"),
    ],
)
def test_events_that_do_not_fit_are_named_and_the_earlier_one_holds(second: tuple[str, str, str], message: str) -> None:
    names = make_taxonomy(events(("rename", "cat", "Cat"), second))
    assert len(names.contradictions) == 1
    assert message in names.contradictions[0]
    assert names.current_name("cat") == "Cat"


@given(st.lists(votes, max_size=8), st.randoms(use_true_random=False))
def test_of_equal_statements_the_same_one_stays_in_whatever_order_they_come(said: list[Vote], rng: random.Random) -> None:
    names = make_taxonomy({})
    shuffled = [*said, *said]
    rng.shuffle(shuffled)
    assert repr(make_state(said, names, "latest")) == repr(make_state(shuffled, names, "latest"))
