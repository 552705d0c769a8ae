"""What an import does with each label, and that neither order nor repetition of imports matters."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.errors import ConfigError, DataError
from ssgan.intake import import_report, queue
from ssgan.intake.importing import Import, prepare
from ssgan.intake.options import ImportOptions
from ssgan.intake.project_index import ProjectIndex, load_project_index
from ssgan.intake.review import Kind
from ssgan.ledger import Ledger, Vote
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy
from tests.support.split_project import Copy, Image, Project, images_of

IMAGES = images_of({"cat": 20, "dog": 20})
A, B, C = IMAGES[:3]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, {"mode": "team", "val_fraction": 0.1, "test_fraction": 0.3})
    return project.images(IMAGES).copies([Copy(A, "inbox/copy of a.png")])


def known(project: Project) -> ProjectIndex:
    return load_project_index(
        project.root / "index", project.root / "duplicates.parquet", project.out, project.root / "classes.json"
    )


def write(project: Project, text: str, name: str = "week.csv", time: int = 1_770_000_000) -> Path:
    path = project.root / name
    path.write_text(text)
    os.utime(path, (time, time))
    return path


def look(project: Project, path: Path, policy: Policy = "require_agreement", **options: object) -> Import:
    return prepare(path, Ledger(project.root / "labels"), known(project), policy, ImportOptions(**options))  # type: ignore[arg-type]


def counts(found: Import) -> dict[str, int]:
    return {kind.value: len(items) for kind, items in found.review.items.items() if items}


def ledger_with(project: Project, *said: tuple[Image, str, str]) -> Ledger:
    """A ledger that knows cat and dog, and votes of January."""
    ledger = Ledger(project.root / "labels")
    for name in ("cat", "dog"):
        ledger.record(Event("class", name, "", "", "2026-01-01"))
    for image, label, who in said:
        ledger.append([Vote(image.id, label, who, "2026-01-01", "old.csv")])
    return ledger


def test_each_label_is_of_one_kind(project: Project) -> None:
    ledger_with(project, (A, "cat", "eva"), (B, "cat", "eva"), (C, "cat", "bob"))
    undone = Vote(IMAGES[5].id, "cat", "eva", "2026-03-01", "old.csv")
    ledger = Ledger(project.root / "labels")
    ledger.record(Event("undo", ledger.append([undone]), "", "", "2026-01-03"))
    lines = [
        f"{A.path},,cat,eva,2026-01-01",  # repeated
        f"{B.path},,dog,eva,2026-02-01",  # changed: she changed her mind
        f"{C.path},,dog,eva,2026-02-01",  # conflicting: bob said cat
        f",{IMAGES[3].id},cat,eva,2026-02-01",  # new
        f"./{IMAGES[3].path},,cat,eva,2026-02-01",  # twice
        f"{IMAGES[5].path},,cat,eva,2026-03-01",  # undone
        f"{IMAGES[6].path},,catt,eva,2026-02-01",  # unknown class
        "inbox/copy of a.png,,cat,ann,2026-02-01",  # unchanged: a copy of A
        "nowhere.png,,cat,eva,2026-02-01",  # unknown image
        f",{'0' * 64},cat,eva,2026-02-01",  # unknown image
        f"{IMAGES[7].path},,,,",
    ]
    found = look(project, write(project, "path,sha256,label,annotator,time\n" + "\n".join(lines)))
    assert counts(found) == {
        "new": 1, "changed": 1, "unchanged": 1, "repeated": 1, "twice in the file": 1, "undone": 1, "conflicting": 1,
        "unknown image": 2, "unknown class": 1,
    }  # fmt: skip
    assert found.parsed.skipped == {"lines without a label": 1}
    assert found.review.needs_a_person
    assert found.review.suggestions == {"catt": ["cat"]}
    assert [item.text for item in found.review.items[Kind.changed]] == [f"{B.path}: cat -> dog"]
    assert [item.text for item in found.review.items[Kind.conflict]] == [f"{C.path}: dog but cat before"]
    assert {vote.image for vote in found.review.accepted} == {A.id, B.id, IMAGES[3].id}
    assert {(row.sha256, row.reason) for row in found.queue} == {(C.id, "conflicting"), (IMAGES[6].id, "unknown class")}
    text = import_report.describe(found, "week.csv")
    assert "week.csv: 10 labels (csv)" in text
    assert "'catt', 1 label: did you mean 'cat'?" in text
    assert all(f"  {kind.value}: " in text for kind in (Kind.undone, Kind.conflict, Kind.unknown_image, Kind.unknown_class))
    assert "test image" not in text


def test_importing_twice_changes_nothing(project: Project) -> None:
    ledger = ledger_with(project)
    path = write(project, f"path,label\n{A.path},cat\n{B.path},dog\n")
    first = look(project, path)
    batch = first.write()
    os.utime(path, (1_780_000_000, 1_780_000_000))  # touched, or copied to another machine
    again = look(project, path)
    assert counts(again) == {"repeated": 2}
    assert not again.review.needs_a_person
    assert again.write() is None
    assert set(ledger.batches()) == {batch}


def test_what_was_undone_does_not_come_back_by_the_same_file(project: Project) -> None:
    ledger = ledger_with(project)
    path = write(project, f"path,label\n{A.path},cat\n")
    undo = ledger.record(Event("undo", str(look(project, path).write()), "", "", "2026-03-01"))
    assert counts(look(project, path)) == {"undone": 1}
    assert look(project, path).write() is None
    ledger.record(Event("undo", undo, "", "", "2026-03-02"))
    assert counts(look(project, path)) == {"repeated": 1}


def test_two_labels_for_one_image_in_one_file_are_a_conflict(project: Project) -> None:
    ledger_with(project)
    found = look(project, write(project, f"path,label\n{A.path},cat\n{A.path},dog\n"))
    assert counts(found) == {"conflicting": 2}
    assert found.review.accepted == []
    assert len(found.queue) == 1
    recorded = look(project, project.root / "week.csv", allow_conflicts=True)
    assert (len(recorded.review.accepted), recorded.queue, recorded.review.needs_a_person) == (2, [], False)


def test_new_classes_come_by_decision(project: Project) -> None:
    path = write(project, f"path,label\n{A.path},cat\n{B.path},dog\n")
    assert counts(look(project, path)) == {"unknown class": 2}
    assert counts(look(project, path, new_classes=["cat"])) == {"unknown class": 1, "new": 1}
    found = look(project, path, new_classes=["cat", "dog"])
    assert not found.review.needs_a_person
    found.write()
    assert Ledger(project.root / "labels").taxonomy().decided == ["cat", "dog"]
    assert look(project, path, new_classes=["cat"]).new_classes == []  # it is one already


def test_an_old_name_is_understood_and_cannot_become_a_class(project: Project) -> None:
    ledger_with(project).record(Event("rename", "cat", "Felis catus", "", "2026-01-02"))
    path = write(project, f"path,label\n{A.path},cat\n")
    assert counts(look(project, path)) == {"new": 1}
    with pytest.raises(ConfigError, match="former name of 'Felis catus'"):
        look(project, path, new_classes=["cat"])


def test_a_test_image_keeps_its_label_unless_a_person_says_so(project: Project) -> None:
    ledger_with(project, *((image, str(image.folder_class), "eva") for image in IMAGES[::2]))
    project.split(labels=str(project.root / "labels"))
    tested = next(image for image in IMAGES if image.id in project.ids("test"))
    trained = next(image for image in IMAGES if image.id in project.ids("labeled"))
    other = {"cat": "dog", "dog": "cat"}
    lines = [f"{image.path},{other[str(image.folder_class)]},eva" for image in (tested, trained)]
    path = write(project, "path,label,annotator\n" + "\n".join([*lines, f"{tested.path},{tested.folder_class},eva"]))
    found = look(project, path)
    assert counts(found) == {"changed": 1, "test image": 2}  # also the line that agrees: the file contradicts itself
    assert found.review.needs_a_person
    assert [vote.image for vote in found.review.accepted] == [trained.id]
    path = write(project, "path,label,annotator\n" + "\n".join(lines))
    assert counts(look(project, path, allow_test=True)) == {"changed": 2}
    assert not look(project, path, allow_test=True).review.needs_a_person


def test_a_filled_in_queue_decides_and_later_votes_open_the_question_again(project: Project) -> None:
    ledger = ledger_with(project, (A, "cat", "eva"), (A, "dog", "bob"), (B, "cat", "eva"), (B, "dog", "bob"))
    rows = queue.of_conflicts(ledger.state(), known(project))
    assert {row.path: row.candidates for row in rows}[A.path] == "cat (eva, 2026-01-01) | dog (bob, 2026-01-01)"
    path = project.root / "queue.csv"
    queue.write(path, [row._replace(label="dog" if row.sha256 == A.id else "") for row in rows])
    with pytest.raises(DataError, match="exists and may hold answers"):
        queue.write(path, rows)
    found = look(project, path, annotator="ann")
    assert counts(found) == {"new": 1}
    assert found.parsed.skipped == {"lines without a label": 1}
    found.write()
    assert ledger.state().labels == {A.id: "dog"}
    assert set(ledger.state().conflicts) == {B.id}
    ledger.append([Vote(A.id, "cat", "carl", "2025-12-31", "late.csv")])  # older than what was decided on
    assert ledger.state().labels == {A.id: "dog"}
    ledger.append([Vote(A.id, "cat", "carl", "2026-01-02", "new.csv")])
    assert set(ledger.state().conflicts) == {A.id, B.id}


def test_before_the_first_ingest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image was ingested yet.*dvc repro ingest"):
        load_project_index(tmp_path / "index", tmp_path / "d", tmp_path / "t", tmp_path / "c")


names, people = st.sampled_from(["cat", "dog"]), st.sampled_from(["eva", "bob", ""])
lines = st.tuples(st.sampled_from(IMAGES[:4]), names, people, st.sampled_from(["2026-01-01", "2026-01-02", ""]))
files = st.lists(st.lists(lines, min_size=1, max_size=4), min_size=1, max_size=3, unique_by=repr)


@given(files=files, rng=st.randoms(use_true_random=False), policy=st.sampled_from(["latest", "majority", "require_agreement"]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_in_any_order_and_repeated_give_the_same_state_and_the_same_split(
    project: Project, files: list[list[tuple[Image, str, str, str]]], rng: random.Random, policy: Policy
) -> None:
    """Everything is let in here: what is held back for a person depends, of course, on what came before.

    A vote that comes by two files is noted with the file that came first, so sources are not compared.
    """
    paths = [
        write(
            project,
            "path,label,annotator,time\n" + "".join(f"{i.path},{name},{who},{when}\n" for i, name, who, when in file),
            f"{number}.csv",
            1_770_000_000 + number,
        )
        for number, file in enumerate(files)
    ]
    again = [*paths, *rng.choices(paths, k=2)]
    rng.shuffle(again)
    rest = [Vote(image.id, str(image.folder_class), "eva", "2025-01-01", "rest.csv") for image in IMAGES[4::2]]
    seen = []
    for order in (paths, again):
        shutil.rmtree(project.root / "labels", ignore_errors=True)
        ledger = ledger_with(project)
        ledger.append(rest)
        for path in order:
            look(project, path, policy, allow_conflicts=True, allow_test=True).write()
        project.split(labels=str(project.root / "labels"), label_policy=policy, on_conflict="drop")
        state = ledger.state(policy)
        votes, conflicts = ({i: [v.key for v in said] for i, said in of.items()} for of in (state.votes, state.conflicts))
        seen.append((state.labels, votes, conflicts, project.bytes()))
    assert seen[0] == seen[1]
