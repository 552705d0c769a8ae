"""``ssgan labels``, as a person types it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssgan.cli.app import run
from ssgan.ledger import Ledger
from ssgan.ledger.event import Event
from tests.support.split_project import Project, images_of

IMAGES = images_of({"cat": 20, "dog": 20})
LABELED = IMAGES[::2]
CLASSES = ["--new-class", "cat", "--new-class", "dog"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ingested project without labels, and a file with the labels of half of its images."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Project(tmp_path / "data").images(IMAGES).copies([])
    split = {"mode": "team", "labels": "labels", "val_fraction": 0.1, "test_fraction": 0.3}
    Path("params.yaml").write_text(yaml.safe_dump({"split": split}))
    table("week.csv", {image.path: str(image.folder_class) for image in LABELED})
    return tmp_path


def table(name: str, labels: dict[str, str], who: str = "eva", time: str = "2026-01-01") -> None:
    rows = [f"{path},{label},{who},{time}\n" for path, label in labels.items()]
    Path(name).write_text("path,label,annotator,time\n" + "".join(rows))


def imported(*arguments: str) -> int:
    return run(["labels", "import", "week.csv", *arguments])


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["labels", "status", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_first_import_asks_for_the_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported() == 3
    assert "20 unknown class" in capsys.readouterr().out
    assert not Path("labels").exists()
    assert imported("--dry-run", *CLASSES) == 0
    assert not Path("labels").exists()
    assert imported(*CLASSES) == 0
    files = sorted(Path("labels/batches").iterdir())
    assert imported() == 0
    assert sorted(Path("labels/batches").iterdir()) == files
    assert run(["split"]) == 0
    assert status(capsys)["classes"] == {"cat": 10, "dog": 10}


def test_all_new_classes_come_at_once_but_not_one_in_two_spellings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported("--new-classes", "all") == 0
    assert status(capsys)["classes"] == {"cat": 10, "dog": 10}
    table("week.csv", {IMAGES[1].path: "catt", IMAGES[3].path: "red panda", IMAGES[5].path: "eel", IMAGES[7].path: "Eel"})
    assert imported("--new-classes", "all") == 3
    assert "3 unknown class" in capsys.readouterr().out
    assert imported("--new-classes", "all", "--partial") == 3
    assert status(capsys)["classes"] == {"cat": 10, "dog": 10, "red panda": 1}


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_a_person_is_asked_once(here: Path, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    assert imported() == (0 if answer else 3)
    assert asked == ["cat, dog: no class yet. Add these 2?"]
    assert Path("labels").exists() == answer


def test_json_for_scripts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported("--json", "--dry-run", "--new-class", "cat") == 3
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["new"] == found["counts"]["unknown class"] == 10
    assert (found["batch"], found["queue"], found["needs_a_person"]) == (None, None, True)
    assert imported("--json", *CLASSES) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(f"labels/batches/{found['batch']}.jsonl").is_file()


def test_partial_writes_what_is_clear_and_a_queue_which_comes_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(*CLASSES)
    one, two, new = LABELED[0].path, LABELED[1].path, IMAGES[1].path
    table("week.csv", {one: "dog", two: "catt", new: "cat", "nowhere.png": "cat"}, "bob", "2026-01-02")
    before = status(capsys)["votes"]
    assert imported() == 3
    assert status(capsys)["votes"] == before
    assert imported("--partial") == 3
    assert status(capsys)["votes"] == before + 1
    rows = lines_of("label-queue.csv")
    assert {(row["path"], row["reason"]) for row in rows} == {(one, "conflicting"), (two, "unknown class")}
    assert imported("--partial") == 1  # the queue may hold answers
    assert "label-queue.csv exists" in capsys.readouterr().err

    fill_in("label-queue.csv", {one: "dog"})
    assert run(["labels", "import", "label-queue.csv", "--annotator", "lead"]) == 0
    assert "changed" in capsys.readouterr().out
    assert run(["labels", "blame", one, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["label"], found["votes"][-1]["annotator"]) == ("dog", "lead")
    assert imported() == 3
    assert " 1 unchanged" in capsys.readouterr().out  # bob's vote is older than the decision


def test_votes_that_a_decision_overruled_come_in_behind_it_and_count_for_agreement(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(*CLASSES)
    one, two = LABELED[0].path, LABELED[1].path
    table("week.csv", {one: "dog", two: "cat"}, "bob", "2026-01-02")
    capsys.readouterr()
    assert imported("--partial") == 3
    assert "1 of their votes contradict others and are not recorded; import week.csv again" in capsys.readouterr().out
    fill_in("label-queue.csv", {one: "cat"})
    assert run(["labels", "import", "label-queue.csv", "--annotator", "lead"]) == 0
    assert imported() == 0
    assert status(capsys)["agreement"] == [{"annotators": ["bob", "eva"], "images": 2, "alike": 1}]
    assert run(["labels", "blame", one, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "cat"


def test_what_was_set_aside_is_listed_until_it_has_a_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(*CLASSES)
    ledger, (image, labeled) = Ledger(Path("labels")), (IMAGES[1], LABELED[0])
    for one in (image, labeled):
        event = ledger.record(Event("aside", one.id, "none of these: a fox", "eva", "2026-01-03"))
    assert status(capsys)["aside"] == 1
    assert run(["labels", "status"]) == 0
    assert "1 image was looked at and set aside (`ssgan labels aside`)" in capsys.readouterr().out
    assert run(["labels", "aside"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2026-01-03  {image.path}  none of these: a fox  (eva)",
        "1 image was set aside, without a class",
    ]
    assert run(["labels", "aside", "--json"]) == 0
    assert [row["sha256"] for row in json.loads(capsys.readouterr().out)] == [image.id]
    for name, found in ledger.read().events.items():
        if found.name == image.id:
            event = name
    assert run(["labels", "undo", event]) == 0
    assert status(capsys)["aside"] == 0


def lines_of(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def fill_in(name: str, answers: dict[str, str]) -> None:
    rows = lines_of(name)
    with Path(name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": answers.get(row["path"], "")} for row in rows)


def test_conflicts_are_recorded_on_request_and_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(*CLASSES)
    assert run(["labels", "conflicts"]) == 0
    table("week.csv", {LABELED[0].path: "dog"}, "bob", "2026-01-02")
    assert imported("--allow-conflicts") == 0
    assert run(["split"]) == 1
    assert run(["labels", "conflicts"]) == 3
    fill_in("label-queue.csv", {LABELED[0].path: "cat"})
    assert run(["labels", "import", "label-queue.csv"]) == 0
    assert run(["labels", "conflicts", "--queue", "other.csv"]) == 0
    assert not Path("other.csv").exists()
    assert run(["split"]) == 0
    assert status(capsys)["agreement"] == [{"annotators": ["bob", "eva"], "images": 1, "alike": 0}]


def test_undo_takes_back_and_can_be_taken_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(*CLASSES)
    batch = status(capsys)["batches"][0]["id"]
    assert run(["labels", "undo", batch[:6]]) == 0
    assert "20 votes" in (said := capsys.readouterr().out)
    assert "20 images lose their label" in said
    assert run(["labels", "undo", batch]) == 2
    undo = capsys.readouterr().err.split("taken back by ")[1].split()[0]
    assert status(capsys)["labeled"] == 0
    assert run(["labels", "blame", LABELED[0].id[:8]]) == 0
    assert f"UNDONE by {undo}" in capsys.readouterr().out
    assert imported() == 0
    assert "20 undone" in capsys.readouterr().out
    assert run(["labels", "undo", undo]) == 0
    assert status(capsys)["labeled"] == 20


def test_rename_and_merge(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(*CLASSES)
    assert run(["split"]) == 0
    assert run(["labels", "rename", "cat", "Felis", "--by", "lead"]) == 0
    assert run(["split"]) == 0
    assert json.loads(Path("classes.json").read_text()) == {
        "version": 1, "classes": ["Felis", "dog"], "former_names": {"Felis": ["cat"]},
    }  # fmt: skip
    for wrong, message in (
        (["rename", "cat", "x"], "'cat' is 'Felis' today"),
        (["rename", "Felix", "x"], "there is no class 'Felix'; did you mean 'Felis'?"),
        (["rename", "dog", "Felis"], "'Felis' is another class already.*labels merge"),
        (["rename", "dog", "cat"], "'cat' is a former name of 'Felis'"),
        (["rename", "dog", " "], "must not be empty"),
        (["merge", "dog", "dog"], "into itself"),
        (["merge", "dog", "cow"], "no class 'cow'"),
        (["undo", "zz"], "no batch and no event has an id that begins with 'zz'"),
        (["blame", "no.png"], "there is no image 'no.png'"),
    ):
        capsys.readouterr()
        assert run(["labels", *wrong]) == 2, wrong
        assert message.split(".*")[0] in capsys.readouterr().err
    table("week.csv", {IMAGES[1].path: "Felis"}, "bob", "2026-01-02")
    assert imported() == 0
    renamed = next(event["id"] for event in status(capsys)["events"] if event["event"] == "rename")
    assert run(["labels", "undo", renamed]) == 0
    assert "votes name 'Felis', which is then not a class" in capsys.readouterr().out
    assert status(capsys)["undecided_classes"] == ["Felis"]
    undo = status(capsys)["events"][-1]["id"]
    assert run(["labels", "undo", undo]) == 0
    assert run(["labels", "merge", "dog", "Felis"]) == 0
    assert "10 images of 'dog' are 'Felis'" in capsys.readouterr().out
    table("week.csv", {image.path: "cow" for image in IMAGES[3::2][:5]}, "bob", "2026-01-02")  # split asks for two classes
    assert imported("--new-class", "cow") == 0
    assert status(capsys)["classes"] == {"Felis": 21, "cow": 5}
    assert run(["split"]) == 0
    assert json.loads(Path("classes.json").read_text())["retired"] == ["dog"]


def test_the_ledger_that_the_pipeline_does_not_read_is_pointed_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text("split: {mode: team}")
    imported(*CLASSES)
    assert "set `split.labels: labels`" in capsys.readouterr().out
    Path("params.yaml").write_text("split: {mode: team, labels: labels}")
    Path("dvc.yaml").write_text("stages: {split: {deps: [data/images]}}")
    run(["labels", "status"])
    assert "dvc.yaml does not name labels in the deps of `split`" in capsys.readouterr().out
    for text in ("      - ${split.labels}\n", "      - labels\n"):
        Path("dvc.yaml").write_text(text)
        run(["labels", "status"])
        assert "note" not in capsys.readouterr().out


def test_before_the_first_ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("split: {mode: team}")
    table("week.csv", {"a.png": "cat"})
    assert imported() == 1
    assert "no image was ingested yet" in capsys.readouterr().err


def test_a_file_is_no_ledger(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["labels", "status", "--ledger", "week.csv"]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


def test_the_console_script_ends_with_3(here: Path) -> None:
    code = "import sys; sys.argv = ['ssgan', 'labels', 'import', 'week.csv']; from ssgan.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")


def test_help_does_not_load_what_it_does_not_need() -> None:
    code = "import sys, ssgan.cli.labels; sys.exit(bool({'numpy', 'pyarrow', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
