"""Who gave a label: what the file says, or a person. The name of a file is nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssgan.intake import import_report
from ssgan.intake.review import Kind
from ssgan.ledger import Ledger
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy
from tests.support.label_files import coco, counts, given, look, studio, table


@pytest.mark.parametrize("policy", ["require_agreement", "majority", "latest"])
@pytest.mark.parametrize("day", [-1, 0, 1])  # whatever the times of the two files are
@pytest.mark.parametrize(("make", "name"), [(coco, "instances_default.json"), (table, "labels.csv")])
def test_a_second_file_of_one_name_replaces_nothing_unasked(
    tmp_path: Path, make: Any, name: str, day: int, policy: Policy
) -> None:
    look(tmp_path, given(tmp_path / "eva", make("cccc"), name, 0)).write()
    found = look(tmp_path, given(tmp_path / "bob", make("ddcc"), name, day), policy)
    assert counts(found)["unclear annotator"] == 2
    assert found.review.needs_a_person
    assert found.review.accepted == []  # not even what agrees: it would be another vote of the first person
    text = import_report.describe(found, name)
    assert f"1.png: dog, but cat by {name!r} in another file, {name}#" in text
    assert f"--annotator {name!r}; another one: --annotator NAME" in text
    other = look(tmp_path, tmp_path / "bob" / name, policy, annotator="bob")
    assert "unclear annotator" not in counts(other)
    if policy == "require_agreement":
        assert counts(other) == {"conflicting": 2, "unchanged": 2}


def test_a_corrected_file_of_the_same_person_replaces_the_earlier_votes(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, coco("cccc"))).write()
    found = look(tmp_path, given(tmp_path, coco("ddcc"), day=2), annotator="instances_default.json")
    assert counts(found) == {"changed": 2, "unchanged": 2}
    found.write()
    assert counts(look(tmp_path, tmp_path / "instances_default.json")) == {"repeated": 4}  # without being asked again
    third = look(tmp_path, given(tmp_path, coco("dccc"), day=3))
    asked = [item.text.split(",")[0] for item in third.review.items[Kind.unclear_annotator]]
    assert asked == ["2.png: cat"]  # what the newest vote says counts, not what the first one said


def test_more_labels_of_the_same_kind_are_no_question(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, coco("cc--"))).write()
    assert counts(look(tmp_path, given(tmp_path, coco("ccdd"), day=2))) == {"unchanged": 2, "new": 2}


def test_a_name_in_the_file_is_a_person(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, table("cccc", annotator="eva"), "labels.csv")).write()
    for who, kind in (("eva", "changed"), ("bob", "conflicting")):
        path = given(tmp_path, table("dccc", annotator=who), "labels.csv", 2)
        assert counts(look(tmp_path, path)) == {kind: 1, "unchanged": 3}


def test_what_was_undone_asks_nothing(tmp_path: Path) -> None:
    batch = look(tmp_path, given(tmp_path, coco("cccc"))).write()
    Ledger(tmp_path / "labels").record(Event("undo", str(batch), "", "", "2026-03-01"))
    assert counts(look(tmp_path, given(tmp_path, coco("dddd"), day=2))) == {"new": 4}


def test_a_decision_in_a_queue_needs_no_name(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, table("cccc"), "label-queue.csv")).write()
    decided = given(tmp_path, table("dddd", settles="2026-06-01"), "label-queue.csv", 2)
    assert counts(look(tmp_path, decided)) == {"changed": 4}


def test_user_1_of_another_installation_is_another_person(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, studio("cccc"), "export.json")).write()
    found = look(tmp_path, given(tmp_path, studio("ddcc", minute=30), "from bob.json"))
    assert counts(found) == {"unclear annotator": 2, "unchanged": 2}
    assert "--annotator 'label-studio'; another one" in import_report.describe(found, "x")
    assert counts(look(tmp_path, tmp_path / "from bob.json", annotator="label-studio")) == {"changed": 2, "unchanged": 2}
    bob = look(tmp_path, tmp_path / "from bob.json", annotator="bob")
    assert counts(bob) == {"conflicting": 2, "unchanged": 2}
    assert {vote.annotator for vote in bob.review.accepted} == {"bob user 1"}


def test_an_export_that_holds_earlier_votes_too_is_of_the_same_installation(tmp_path: Path) -> None:
    first = studio("cccc")
    look(tmp_path, given(tmp_path, first, "monday.json")).write()
    later = [studio("d---", minute=30)[0], *first[1:]]
    assert counts(look(tmp_path, given(tmp_path, later, "tuesday.json"))) == {"changed": 1, "repeated": 3}


def test_people_with_an_address_are_who_they_are(tmp_path: Path) -> None:
    eva = {"id": 1, "email": "eva@x.org"}
    look(tmp_path, given(tmp_path, studio("cccc", who=eva), "export.json")).write()
    later = given(tmp_path, studio("dccc", who=eva, minute=30), "export.json")
    assert counts(look(tmp_path, later)) == {"changed": 1, "unchanged": 3}


def test_votes_that_come_too_late_to_count_are_told(tmp_path: Path) -> None:
    look(tmp_path, given(tmp_path, table("cccc", annotator="eva", time="2026-03-01"))).write()
    found = look(tmp_path, given(tmp_path, table("dccc", annotator="eva", time="2026-02-01")))
    assert counts(found) == {"unchanged": 4}
    assert found.review.notes == ["1 of the unchanged say otherwise, but newer votes or more of them stand against these"]


@pytest.mark.parametrize(("make", "name"), [(coco, "instances_default.json"), (studio, "export.json")])
def test_the_same_content_is_by_the_same_person(tmp_path: Path, make: Any, name: str) -> None:
    look(tmp_path, given(tmp_path, make("cccd"), name), annotator="eva").write()
    assert counts(look(tmp_path, given(tmp_path / "again", make("cccd"), name, 2))) == {"repeated": 4}
    assert counts(look(tmp_path, given(tmp_path, make("cccd"), "other name.json", 2))) == {"repeated": 4}


def test_a_name_that_is_nobody_is_told(tmp_path: Path) -> None:
    path = given(tmp_path, coco("cccd"))
    note = "4 labels are noted as by 'instances_default.json'; --annotator NAME names the person"
    assert look(tmp_path, path).review.notes == [note]
    assert look(tmp_path, path, annotator="eva").review.notes == []
    assert look(tmp_path, given(tmp_path, studio("cccd"))).review.notes == []
