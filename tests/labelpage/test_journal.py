"""A journal loses nothing and doubles nothing, wherever it is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.errors import DataError
from ssgan.labelpage.journal import Act, Journal
from ssgan.labelpage.session import Session, Wish
from ssgan.ledger import Ledger, Vote

QUEUE = [f"{i:064x}" for i in range(6)]
TIME = "2026-01-01T00:00:00.000Z"


def label(i: int, name: str = "cat") -> Act:
    return Act("label", QUEUE[i], name, TIME)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["cat", "dog", "skip", "undo"]), max_size=25))
def test_undo_takes_back_the_newest_act_that_stands(tmp_path_factory: pytest.TempPathFactory, wishes: list[str]) -> None:
    journal = Journal(Ledger(tmp_path_factory.mktemp("ledger")), "eva")
    session = Session(dict.fromkeys(QUEUE, ""), ["cat", "dog"], journal, frozenset())
    stack: list[tuple[str, str]] = []
    for wish in wishes:
        due = session.state()["image"]
        assert due == (QUEUE[len(stack)] if len(stack) < len(QUEUE) else None)
        if (wish == "undo" and not stack) or (wish != "undo" and due is None):
            with pytest.raises(DataError):
                session.act(Wish(wish if wish in ("undo", "skip") else "label", due, wish))
        elif wish == "undo":
            session.act(Wish("undo", due))
            stack.pop()
        else:
            session.act(Wish("skip" if wish == "skip" else "label", due, "" if wish == "skip" else wish))
            stack.append((due, wish))
    assert [(act.image, act.label or "skip") for act in journal.standing()] == stack
    journal.close()


def test_a_label_is_on_disk_when_the_page_hears_of_it_and_survives_the_process(tmp_path: Path) -> None:
    journal = Journal(Ledger(tmp_path), "eva")
    journal.add(label(0))
    journal.add(label(1, "dog"))
    written = journal.path.read_bytes()
    journal._file.close()  # the process is gone: nothing is folded, nobody says goodbye
    assert written.count(b"\n") == 2
    again = Journal(Ledger(tmp_path), "eva")
    assert again.acts == [label(0), label(1, "dog")]
    again.close()


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_half_a_line_of_a_crash_is_dropped_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    journal = Journal(Ledger(tmp_path), "eva")
    journal.add(label(0))
    first = journal.path.read_bytes()
    journal.add(label(1))
    second = journal.path.read_bytes()[len(first) :]
    journal.close()
    journal.path.write_bytes(first + second[:cut])
    again = Journal(Ledger(tmp_path), "eva")
    assert again.acts == [label(0)]
    again.add(label(2))
    again.close()
    assert Journal(Ledger(tmp_path), "eva").acts == [label(0), label(2)]


def test_a_crash_between_batch_and_end_of_the_journal_makes_one_batch(tmp_path: Path) -> None:
    journal = Journal(Ledger(tmp_path), "eva")
    journal.add(label(0))
    journal.add(Act("skip", QUEUE[1], "", TIME))
    content = journal.path.read_bytes()
    first = journal.fold("queue.csv")
    journal.close()
    assert not journal.path.exists()
    journal.path.parent.mkdir(exist_ok=True)
    journal.path.write_bytes(content)
    again = Journal(Ledger(tmp_path), "eva")
    assert again.fold("queue.csv") == first
    again.close()
    assert first is not None
    assert Ledger(tmp_path).batches() == {first[0]: [Vote(QUEUE[0], "cat", "eva", TIME, "label:queue.csv")]}


def test_skips_alone_make_no_batch(tmp_path: Path) -> None:
    journal = Journal(Ledger(tmp_path), "eva")
    journal.add(Act("skip", QUEUE[0], "", TIME))
    journal.add(label(1))
    journal.add(Act("undo", "", "", TIME))
    assert journal.fold("x") is None
    assert Ledger(tmp_path).batches() == {}
    journal.close()


def test_one_annotator_labels_in_one_place_at_a_time(tmp_path: Path) -> None:
    first = Journal(Ledger(tmp_path), "eva")
    with pytest.raises(DataError, match="eva is labeling already: another `ssgan label` has"):
        Journal(Ledger(tmp_path), "eva")
    Journal(Ledger(tmp_path), "../ben").close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    first.close()


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal/eva.jsonl").write_text("cat\n")
    with pytest.raises(DataError, match=r"eva\.jsonl is damaged"):
        Journal(Ledger(tmp_path), "eva")
