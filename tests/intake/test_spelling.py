"""Which class may be meant, and what is most likely no class."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ssgan.data.classes import ClassRegistry
from ssgan.data.label_csv import read_csv
from ssgan.intake import import_report
from ssgan.intake.changes import merge, rename
from ssgan.intake.importing import clearly_new
from ssgan.intake.spelling import similar_names
from ssgan.ledger import Ledger, Vote
from ssgan.ledger.event import Event
from tests.support.label_files import given, look

DIGITS = [str(i) for i in range(1, 11)]
COMPOSED, DECOMPOSED = "L\u00f6we", "Lo\u0308we"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("Golden-retriever", ["golden retriever", "cat"], ["golden retriever"]),
        ("catt", ["cat", "dog"], ["cat"]),
        ("zebra", ["cat", "dog"], []),
        ("dgo", ["cat", "dog"], ["dog"]),
        ("12", ["21", "1"], []),
        ("1.0", DIGITS, ["1"]),
        ("2.0", DIGITS, ["2"]),
        ("1.00", DIGITS, ["1"]),
        ("11", DIGITS, []),
        ("C++", ["C", "C#"], []),
        ("-5", ["5"], []),
        ("A+", ["A", "A-"], []),
        ("1.5", ["15"], []),
    ],
)
def test_what_may_be_meant(name: str, known: list[str], meant: list[str]) -> None:
    assert similar_names(name, known) == meant


@pytest.mark.parametrize("name", ["nan", "NaN", "NA", "None", "null", "N/A", "<NA>", "unlabeled", "no_label"])
def test_a_placeholder_is_a_class_only_by_name(tmp_path: Path, name: str) -> None:
    path = given(tmp_path, f"path,label\n1.png,{name}\n2.png,cow\n", "labels.csv")
    found = look(tmp_path, path)
    assert found.review.needs_a_person
    assert clearly_new(found.review) == ["cow"]
    shown = import_report.describe(found, "x")
    assert f"{name!r}, 1 label: no label? Then leave it empty; if it is a class: --new-class {name}" in shown


def test_a_class_in_either_form_is_that_class(tmp_path: Path) -> None:
    path = given(tmp_path, f"path,label\n1.png,{DECOMPOSED}\n2.png,{COMPOSED}\n", "labels.csv")
    found = look(tmp_path, path, new_classes=[DECOMPOSED])
    assert (found.new_classes, found.review.needs_a_person) == ([COMPOSED], False)
    found.write()
    assert set(Ledger(tmp_path / "labels").state().labels.values()) == {COMPOSED}
    assert [line.name for line in read_csv(path)] == [COMPOSED, COMPOSED]


def test_votes_and_events_of_old_ledgers_are_read_in_one_form(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "labels")
    text = '{"annotator": "eva", "image": "' + "1" * 64 + f'", "label": "{DECOMPOSED}", "time": "2026-01-01T00:00:00.000Z"}}\n'
    (ledger.folder / "batches").mkdir(parents=True)
    (ledger.folder / f"batches/{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl").write_text(text, encoding="utf-8")
    assert ledger.state().labels == {"1" * 64: COMPOSED}
    ledger.append([Vote("2" * 64, DECOMPOSED, "eva", "2026-01-02", "x")])
    ledger.record(Event("rename", DECOMPOSED, "lion", "", "2026-01-03"))
    assert set(ledger.state().labels.values()) == {"lion"}


def test_a_class_can_be_renamed_and_merged_by_either_form(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "labels")
    for name in (COMPOSED, "cat"):
        ledger.record(Event("class", name, "", "", "2026-01-01"))
    rename(ledger, DECOMPOSED, "Ba\u0308r", "lead", ClassRegistry())
    merge(ledger, "Ba\u0308r", "cat", "lead", ClassRegistry())
    assert ledger.taxonomy().current_name(COMPOSED) == "cat"
