"""A split whose labels come from a ledger: policies, and classes that are renamed and merged without losing an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.data import classes, tombstones
from ssgan.data.labels import is_ledger
from ssgan.data.split_summary import SplitSummary
from ssgan.errors import DataError
from ssgan.ledger import Ledger, Vote
from ssgan.ledger.event import Event
from tests.support.split_project import Image, Project, images_of

IMAGES = images_of({"ant": 20, "cat": 20, "dog": 20})
LABELED = IMAGES[::2]
FIRST = LABELED[0]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    labels = str(tmp_path / "labels")
    return Project(tmp_path, {"mode": "team", "val_fraction": 0.1, "test_fraction": 0.3, "labels": labels}).images(IMAGES)


def vote(image: Image, label: str | None = None, who: str = "eva", day: int = 1) -> Vote:
    return Vote(image.id, label or str(image.folder_class), who, f"2026-01-{day:02d}", "x.csv")


@pytest.fixture
def ledger(project: Project) -> Ledger:
    ledger = Ledger(project.root / "labels")
    ledger.append([vote(image) for image in LABELED])
    return ledger


def change(ledger: Ledger, kind: str, name: str, into: str = "", day: int = 10) -> str:
    return ledger.record(Event(kind, name, into, "eva", f"2026-01-{day:02d}"))  # type: ignore[arg-type]


def split(project: Project, **config: object) -> SplitSummary:
    """A split that keeps the registry, as the stage does."""
    summary = project.split(**config)
    classes.save(project.root / "classes.json", summary.registry)
    return summary


def placed(project: Project) -> dict[str, dict[str, int]]:
    """Class id of every labeled image, by set."""
    tables = {name: project.files.read(name) for name in ("labeled", "val", "test")}
    return {name: dict(zip(t["id"].to_pylist(), t["label"].to_pylist(), strict=True)) for name, t in tables.items()}


def test_a_ledger_gives_the_same_sets_as_the_csv_file_with_its_labels(project: Project, ledger: Ledger) -> None:
    summary = project.split()
    sets = placed(project)
    assert summary.labels["labeled_images"] == summary.labels["votes"] == len(LABELED)
    project.label({image.path: str(image.folder_class) for image in LABELED}).split()
    assert placed(project) == sets


@pytest.mark.parametrize(("policy", "label"), [("latest", "dog"), ("majority", "ant"), ("require_agreement", None)])
def test_the_policy_decides_and_what_it_cannot_decide_is_a_conflict(
    project: Project, ledger: Ledger, policy: str, label: str | None
) -> None:
    ledger.append([vote(FIRST, "ant", "bob", 2), vote(FIRST, "dog", "ann", 3)])
    if label is None:
        message = (
            rf"1 image has.*label_policy: require_agreement.*{FIRST.path}: 'ant' \(eva\) but 'ant' \(bob\) but 'dog' \(ann\)"
        )
        with pytest.raises(DataError, match=message):
            project.split(label_policy=policy)
    summary = project.split(label_policy=policy, on_conflict="drop")
    found = {image: i for members in placed(project).values() for image, i in members.items()}
    assert (summary.classes[found[FIRST.id]] if FIRST.id in found else None) == label
    assert summary.labels["conflicts_dropped"] == (label is None)


def test_renaming_keeps_ids_sets_and_draws_and_undoing_it_is_exact(project: Project, ledger: Ledger) -> None:
    split(project)
    before, bytes_before, text = placed(project), project.bytes(), (project.root / "classes.json").read_text()
    renamed = change(ledger, "rename", "cat", "Felis catus")
    summary = split(project)
    assert summary.classes == ["ant", "Felis catus", "dog"]
    assert classes.load(project.root / "classes.json").former == {"Felis catus": ["cat"]}
    assert placed(project) == before
    change(ledger, "undo", renamed)
    split(project)
    assert project.bytes() == bytes_before
    assert (project.root / "classes.json").read_text() == text


def test_a_renaming_before_the_first_split_can_be_undone_too(project: Project, ledger: Ledger) -> None:
    renamed = change(ledger, "rename", "cat", "Felis catus")
    assert split(project).classes == ["ant", "Felis catus", "dog"]
    change(ledger, "undo", renamed)
    assert split(project).classes == ["ant", "cat", "dog"]


def test_renaming_does_not_change_the_draw_of_a_benchmark(project: Project, ledger: Ledger) -> None:
    ledger.append([vote(image) for image in IMAGES])
    config = {"mode": "benchmark", "num_labels": 7}
    split(project, **config)
    before = placed(project)
    change(ledger, "rename", "ant", "zebra")
    split(project, **config)
    assert placed(project) == before


def test_merging_retires_an_id_which_no_image_has_and_nobody_complains(project: Project, ledger: Ledger) -> None:
    split(project)
    before = placed(project)
    merged = change(ledger, "merge", "ant", "dog")
    summary = split(project)
    assert summary.classes == ["ant", "cat", "dog"]
    assert (summary.retired_classes, summary.classes_without_label, summary.classes_without_test) == (["ant"], [], [])
    assert summary.metrics()["classes"] == 2
    assert placed(project) == {name: {i: 2 if k == 0 else k for i, k in of.items()} for name, of in before.items()}
    change(ledger, "undo", merged)
    split(project)
    assert placed(project) == before


def test_a_class_without_a_label_that_is_not_retired_is_still_an_error(project: Project, ledger: Ledger) -> None:
    split(project)
    (project.root / "labels").rename(project.root / "old")
    ledger.append([vote(image) for image in LABELED if image.folder_class != "ant"])
    with pytest.raises(DataError, match=r"1 class .*'?ant"):
        split(project)


def test_a_name_that_another_class_has_is_refused(project: Project, ledger: Ledger) -> None:
    split(project)
    change(ledger, "rename", "cat", "dog")  # the command does not allow it; two branches can
    with pytest.raises(DataError, match=r"the name 'dog', which another class has already.*labels undo"):
        split(project)


def test_contradicting_events_stop_the_split(project: Project, ledger: Ledger) -> None:
    change(ledger, "rename", "cat", "kitty")
    change(ledger, "rename", "cat", "pussycat", day=11)
    with pytest.raises(DataError, match=r"contradicts itself.*'cat' is 'kitty' already.*labels undo ID"):
        split(project)


def test_votes_for_images_that_are_gone(project: Project, ledger: Ledger) -> None:
    ledger.append([vote(Image("gone", "cat")), vote(Image("gone too", "cat"))])
    with pytest.raises(DataError, match=r"votes for 2 images that were not ingested.*on_unknown_image: report"):
        split(project)
    assert split(project, on_unknown_image="report").labels["unknown_images"] == 2


def test_an_empty_ledger_says_how_to_fill_it(project: Project) -> None:
    with pytest.raises(DataError, match="without votes; fill it by `ssgan labels import FILE`"):
        split(project)


def test_what_is_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "table").touch()
    assert is_ledger(tmp_path / "folder.csv")
    assert is_ledger(tmp_path / "labels")
    assert not is_ledger(tmp_path / "table")
    assert not is_ledger(tmp_path / "labels.csv")


def test_votes_on_removed_images_are_left_out_and_counted(project: Project, ledger: Ledger) -> None:
    project.images([image for image in IMAGES if image is not FIRST])
    with pytest.raises(DataError, match="votes for 1 image that was not ingested"):
        project.split()
    tombstones.add({FIRST.id: [FIRST.path]}, "2026-01-01", "asked", {}, project.root / "removed.csv")
    counts = project.split().labels
    assert (counts["removed_images"], counts["unknown_images"], counts["labeled_images"]) == (1, 0, len(LABELED) - 1)
