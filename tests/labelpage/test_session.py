"""Where somebody is in the queue, and which key means which class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan.errors import DataError
from ssgan.labelpage.journal import Journal
from ssgan.labelpage.session import OutOfStepError, Session, keys
from ssgan.ledger import Ledger

QUEUE = [f"{i:064x}" for i in range(4)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    one = Journal(Ledger(tmp_path), "eva")
    yield one
    one.close()


def test_keys_are_digits_then_letters_but_never_those_of_undo_and_skip() -> None:
    found = keys([f"class {i}" for i in range(40)])
    assert found[:10] == [*"123456789", "a"]
    named = [key for key in found if key]
    assert len(named) == len(set(named)) == 33
    assert not {"u", "s", "0"} & set(named)
    assert found[33:] == [""] * 7


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (list("0123456789"), list("0123456789")),
        (["A", "b", "C"], ["a", "b", "c"]),
        (["s", "t", "u"], ["1", "2", "3"]),  # keys of skip and undo
        (["a", "A"], ["1", "2"]),
        (["1", "12"], ["1", "2"]),
    ],
)
def test_classes_of_one_letter_are_their_own_keys(classes: list[str], expected: list[str]) -> None:
    assert keys(classes) == expected


def test_what_was_labeled_before_is_not_shown_again(journal: Journal) -> None:
    session = Session(QUEUE, ["cat"], journal, frozenset(QUEUE[1:3]))
    state = session.state()
    assert (state["image"], state["place"], state["total"], state["labeled"]) == (QUEUE[0], 2, 4, 2)
    assert state["following"] == [QUEUE[3]]
    session.act("label", QUEUE[0], "cat")
    state = session.act("skip", QUEUE[3])
    assert (state["image"], state["labeled"], state["skipped"], state["last"]) == (None, 3, 1, None)


def test_an_act_on_an_image_that_is_not_due_changes_nothing(journal: Journal) -> None:
    session = Session(QUEUE, ["cat"], journal, frozenset())
    session.act("label", QUEUE[0], "cat")
    for do in ("label", "skip", "undo"):
        with pytest.raises(OutOfStepError):
            session.act(do, QUEUE[0], "cat")
    with pytest.raises(DataError, match="is not an action"):
        session.act("label", QUEUE[1], "cow")
    assert len(journal.acts) == 1
