"""Where somebody is in the queue, and which key means which class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan.errors import DataError
from ssgan.labelpage.journal import Journal
from ssgan.labelpage.session import OutOfStepError, Session, UnknownClassError, Wish, keys
from ssgan.labelpage.sheets import items_of
from ssgan.ledger import Ledger
from ssgan.ledger.taxonomy import Taxonomy

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
    session = Session(dict.fromkeys(QUEUE, ""), ["cat"], journal, frozenset(QUEUE[1:3]))
    state = session.state()
    assert (state["image"], state["place"], state["total"], state["labeled"]) == (QUEUE[0], 2, 4, 2)
    assert state["following"] == [QUEUE[3]]
    session.act(Wish("label", QUEUE[0], "cat"))
    state = session.act(Wish("skip", QUEUE[3]))
    assert (state["image"], state["labeled"], state["skipped"], state["last"]) == (None, 3, 1, None)


def test_an_act_on_an_image_that_is_not_due_changes_nothing(journal: Journal) -> None:
    session = Session(dict.fromkeys(QUEUE, ""), ["cat"], journal, frozenset())
    session.act(Wish("label", QUEUE[0], "cat"))
    for do in ("label", "skip", "undo"):
        with pytest.raises(OutOfStepError):
            session.act(Wish(do, QUEUE[0], "cat"))
    for do, label in (("label", ""), ("sheet", "cat"), ("apart", ""), ("fly", "cat")):
        with pytest.raises(DataError, match="is not an action"):
            session.act(Wish(do, QUEUE[1], label))
    assert len(journal.acts) == 1


SHEETS = {
    image: "1" if number < 3 else "2" if number < 5 else "" for number, image in enumerate([f"{i:064x}" for i in range(6)])
}
IDS = list(SHEETS)


def test_a_sheet_gets_one_name_and_what_is_taken_out_comes_one_by_one_behind_the_others(journal: Journal) -> None:
    session = Session(SHEETS, ["cat", "dog"], journal, frozenset())
    state = session.state()
    assert state["sheet"] == {"images": tuple(IDS[:3]), "number": 1, "of": 2}
    assert (state["next_sheet"], state["following"]) == (tuple(IDS[3:5]), [IDS[5]])
    state = session.act(Wish("sheet", IDS[0], "cat", out=[1]))
    assert (state["labeled"], state["image"], state["sheet"]["number"]) == (2, IDS[3], 2)
    state = session.act(Wish("apart", IDS[3]))
    shown = []
    while state["image"]:
        shown.append(state["image"])
        assert state["sheet"] is None
        state = session.act(Wish("label", state["image"], "dog"))
    assert shown == [IDS[5], IDS[1], IDS[3], IDS[4]]
    assert (state["labeled"], state["total"], state["skipped"]) == (6, 6, 0)
    journal.fold("q.csv")
    (votes,) = Ledger(journal.path.parents[1]).batches().values()
    assert {(vote.image, vote.label, vote.source) for vote in votes} == {
        *((IDS[i], "cat", "cluster:q.csv") for i in (0, 2)),
        *((IDS[i], "dog", "label:q.csv") for i in (1, 3, 4, 5)),
    }


def test_an_undone_sheet_is_whole_again_and_a_skipped_one_counts_all_its_images(journal: Journal) -> None:
    session = Session(SHEETS, ["cat"], journal, frozenset())
    before = session.state()
    session.act(Wish("sheet", IDS[0], "cat", out=[0, 2]))
    assert session.act(Wish("undo", IDS[3])) == before
    assert session.act(Wish("skip", IDS[0]))["skipped"] == 3
    assert journal.fold("q.csv") is None


def test_a_sheet_of_which_all_is_taken_out_gets_no_name(journal: Journal) -> None:
    session = Session(SHEETS, ["cat"], journal, frozenset())
    with pytest.raises(DataError, match="put one back, or show them one by one"):
        session.act(Wish("sheet", IDS[0], "cat", out=[0, 1, 2]))


def test_what_was_taken_out_of_a_sheet_is_single_in_the_next_session_too(journal: Journal) -> None:
    session = Session(SHEETS, ["cat"], journal, frozenset({IDS[0]}))
    assert session.state()["sheet"]["images"] == tuple(IDS[3:5])
    session.act(Wish("sheet", IDS[3], "cat"))
    assert [session.act(Wish("skip", one))["place"] for one in (IDS[1], IDS[2], IDS[5])] == [4, 5, 6]


def test_a_large_cluster_becomes_sheets_of_equal_size() -> None:
    sheets = items_of({f"{i}": "1" for i in range(50)}, frozenset({"49"}))
    assert [len(item.images) for item in sheets] == [16, 17, *[1] * 16]
    assert [item.sheet for item in sheets[:3]] == [1, 2, 0]


def test_a_new_class_is_made_where_somebody_agrees_and_goes_with_its_act(journal: Journal) -> None:
    taxonomy = Taxonomy(renamed={"kitten": "cat"})
    session = Session(SHEETS, ["cat"], journal, frozenset(), taxonomy)
    with pytest.raises(UnknownClassError, match="'catt' is no class yet") as error:
        session.act(Wish("sheet", IDS[0], "catt"))
    assert error.value.similar == ["cat"]
    with pytest.raises(DataError, match="'kitten' is a former name of 'cat'; use that"):
        session.act(Wish("sheet", IDS[0], "kitten", new=True))
    state = session.act(Wish("sheet", IDS[0], "dog", new=True))
    assert [one["name"] for one in state["classes"]] == ["cat", "dog"]
    assert [one["name"] for one in session.act(Wish("undo", IDS[3]))["classes"]] == ["cat"]
    session.act(Wish("sheet", IDS[0], "dog", new=True))
    session.act(Wish("sheet", IDS[3], "dog", new=True))  # it is there already
    ledger = Ledger(journal.path.parents[1])
    assert ledger.taxonomy().decided == []
    journal.fold("q.csv")
    assert ledger.taxonomy().decided == ["dog"]


def test_an_image_without_a_class_is_set_aside_with_a_reason_and_no_vote(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    journal = Journal(ledger, "eva")
    session = Session(dict.fromkeys(QUEUE, ""), ["cat"], journal, frozenset())
    session.act(Wish("aside", QUEUE[0], "none of these: looks like a fox "))
    session.act(Wish("aside", QUEUE[1], "unusable:"))
    session.act(Wish("aside", QUEUE[2], "unusable"))
    state = session.act(Wish("undo", QUEUE[3]))
    assert (state["image"], state["place"], state["labeled"], state["aside"], state["last"]) == (QUEUE[2], 2, 0, 2, None)
    for wrong in ("cat", "", "none of these:" + "x" * 300):
        with pytest.raises(DataError, match="is set aside as 'none of these' or 'unusable'"):
            session.act(Wish("aside", QUEUE[2], wrong))
    session.act(Wish("label", QUEUE[2], "cat"))
    assert journal.fold("queue.csv") is not None
    journal.close()
    assert [(one.name, one.into, one.by) for one in ledger.aside()] == [
        (QUEUE[0], "none of these: looks like a fox", "eva"),
        (QUEUE[1], "unusable", "eva"),
    ]
    assert list(ledger.state().votes) == [QUEUE[2]]
    assert ledger.taxonomy().decided == []
