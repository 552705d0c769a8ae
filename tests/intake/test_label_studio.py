"""What Label Studio 1.23 exported, in all its forms, after two people had worked on tasks that `ssgan next` wrote.

In the files: one prelabel accepted, one changed, tasks skipped and cancelled (with a choice that stays in the export), two
people who differ, one who labels where another skips, a draft, an annotation without a choice, a task that nobody opened.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssgan.intake.formats import read_labels
from ssgan.intake.options import Fields
from ssgan.intake.raw_label import LabelFormat, ParsedFile

HERE = Path(__file__).parent
WHO = "label-studio user"


def exported(name: str) -> ParsedFile:
    return read_labels(HERE / f"label_studio_1.23{name}")


def votes(read: ParsedFile) -> set[tuple[str, str, str, str]]:
    assert all(len(one.sha256) == 64 and one.path.startswith("/data/local-files/?d=images/scan") for one in read.labels)
    return {(one.where, one.label, one.annotator, one.time) for one in read.labels}


def test_every_form_holds_the_same_votes() -> None:
    read = exported(".json")
    assert {(where, label, who) for where, label, who, _ in votes(read)} == {
        ("task 44", "8", f"{WHO} 1"), ("task 45", "3", f"{WHO} 1"), ("task 47", "7", f"{WHO} 1"),
        ("task 47", "1", f"{WHO} 2"), ("task 49", "6", f"{WHO} 1"), ("task 53", "3", f"{WHO} 2"),
    }  # fmt: skip
    assert read.skipped == {
        "skipped tasks (was_cancelled)": 3, "tasks with a draft that was never submitted": 1,
        "annotations without a choice": 1, "tasks without an annotation": 1,
    }  # fmt: skip
    assert read.remarks == {"votes are a model's proposal that a person submitted as it was (origin: prediction)": 1}
    for name in ("_min.json", ".csv", ".tsv"):
        other = exported(name)
        assert (other.kind, votes(other)) == ("label-studio", votes(read)), name
        assert other.skipped == {"tasks without an annotation": 2, "annotations without a choice": 1}
        assert read.problems == other.problems == []


def written(folder: Path, **more: Any) -> Path:
    task = json.loads((HERE / "label_studio_1.23_min.json").read_text())[0]
    (folder / "x.json").write_text(json.dumps([{**{k: v for k, v in task.items() if k != "label"}, **more}]))
    return folder / "x.json"


def test_an_answer_under_another_name_is_found_and_one_among_several_is_a_problem(tmp_path: Path) -> None:
    assert [one.label for one in read_labels(written(tmp_path, species="cat")).labels] == ["cat"]
    for more in ({"species": "cat"}, {"label": "cat"}):
        path = written(tmp_path, camera="north", **more)
        read = read_labels(path)
        assert [one.text for one in read.problems] == [f"task 44: which field is the answer (camera, {next(iter(more))})?"]
        assert "export as JSON" in read.problems[0].remedy
        assert not read.labels
        assert not read.skipped
        named = read_labels(path, fields=Fields(control=next(iter(more))))
        assert [one.label for one in named.labels] == ["cat"]


@pytest.mark.parametrize("text", ["path,label\na.png,cat\n", "annotation_id,path,label,time\n1,a.png,cat,2026-01-01\n"])
def test_other_tables_are_no_exports(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert read_labels(tmp_path / "x.csv").kind == "csv"


def test_a_table_can_be_called_what_it_is() -> None:
    assert len(read_labels(HERE / "label_studio_1.23.csv", LabelFormat.label_studio).labels) == 6


@pytest.mark.parametrize("name", ["path", "image"])
def test_short_forms_of_older_versions_are_no_tables_of_labels(tmp_path: Path, name: str) -> None:
    """They have no annotation_id; the column `label` may be data of the task all the same."""
    (tmp_path / "x.csv").write_text(f"{name},label,choice,id,annotator,lead_time\n1.png,cat,dog,1,1,3.5\n")
    (tmp_path / "x.json").write_text(json.dumps([{name: "1.png", "label": "cat", "choice": "dog", "id": 1, "lead_time": 3.5}]))
    for path in (tmp_path / "x.csv", tmp_path / "x.json"):
        assert [one.text for one in read_labels(path).problems] == ["task 1: which field is the answer (label, choice)?"]
