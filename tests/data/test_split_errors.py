"""What a split refuses, and what it leaves behind then."""

from pathlib import Path
from typing import Any

import pytest

from ssgan.data import tombstones
from ssgan.errors import ConfigError, DataError
from tests.support.split_project import Image, Project, images_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """120 images of three classes, all labeled."""
    project = Project(tmp_path, {"mode": "benchmark", "num_labels": 12})
    return project.images(images_of({"cat": 40, "dog": 40, "eel": 40}))


def test_budget_below_the_number_of_classes(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"split.num_labels is 2.*3 classes"):
        project.split(num_labels=2)


def test_class_with_too_few_images_is_named(project: Project) -> None:
    project.images(images_of({"cat": 40, "dog": 40, "eel": 3}))
    with pytest.raises(DataError, match=r"class 'eel' has \d training images.*num_labels: 60"):
        project.split(num_labels=60)


def test_benchmark_needs_every_label_even_if_conflicts_are_dropped(project: Project) -> None:
    project.images(images_of({"cat": 40, "dog": 40, None: 7}))
    for policy in ("error", "drop"):
        with pytest.raises(DataError, match=r"7 images have no label: flat/None-.* and 2 more.*split.mode: team"):
            project.split(on_conflict=policy)


@pytest.mark.parametrize(
    ("classes", "config", "message"),
    [
        ({None: 30}, {"mode": "team"}, "no image has a label.*`split.labels`"),
        ({"cat": 30, "dog": 30}, {"mode": "team"}, "unlabeled set is empty.*benchmark"),
        ({"cat": 15, "dog": 15}, {"test_fraction": 0.0001, "num_labels": 2}, "test set is empty.*test_fraction"),
        ({"cat": 30}, {"mode": "team"}, "only 'cat' is used, by 30 labels.*another class"),
        ({"cat": 30}, {"num_labels": 5}, "only 'cat' is used, by 30 labels.*another class"),
        (
            {"cat": 1, "dog": 1, None: 30},
            {"mode": "team", "test_fraction": 0.89, "val_fraction": 0.0},
            "labeled set is empty.*add labels",
        ),
    ],
)
def test_a_set_that_would_be_empty(
    project: Project, classes: dict[str | None, int], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        project.images(images_of(classes)).split(**config)


def test_no_val_is_an_empty_file(project: Project) -> None:
    assert project.split(val_fraction=0.0).sets["val"].images == 0
    assert project.files.num_rows("val") == 0
    assert len(project.files.inputs("val")) == 0


def test_failure_leaves_the_old_split(project: Project) -> None:
    project.split()
    before = project.bytes()
    with pytest.raises(ConfigError):
        project.split(num_labels=1)
    assert project.bytes() == before
    assert sorted(f.name for f in project.root.iterdir()) == ["images", "index", "splits"]


def test_a_folder_that_is_no_split_is_not_overwritten(project: Project) -> None:
    project.out.mkdir()
    (project.out / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a split"):
        project.split()
    assert (project.out / "thesis.txt").read_text() == "mine"


def test_the_same_image_twice_is_refused(project: Project) -> None:
    with pytest.raises(DataError, match="1 image twice"):
        project.images([*images_of({"cat": 20}), Image("cat-0", "cat")]).split()


def test_no_images(project: Project) -> None:
    with pytest.raises(DataError, match="holds no image"):
        project.images([]).split()


def test_near_duplicates_that_take_a_class_along_are_named_with_their_number(project: Project) -> None:
    """One fixed camera: a pool of the same scene, and a class whose few images look like it."""
    scene = images_of({"good": 30}, seed=7) + images_of({None: 60}, start=100, seed=7)
    project.images(images_of({"cat": 60, None: 60}) + scene)
    with pytest.raises(
        DataError, match=r"good; \d+ of 30 labeled images follow .*largest group .* has 90\).*near_duplicate_rmse"
    ):
        project.split(mode="team", test_fraction=0.5)
    project.images(scene)
    with pytest.raises(DataError, match=r"is used, by 30 labels"):
        project.split(mode="team")
    project.images(scene + images_of({"dog": 30}, seed=7))
    with pytest.raises(
        DataError, match=r"labeled set is empty: 30 of 60|labeled set is empty: \d+ of 60 labeled images follow"
    ):
        project.split(mode="team", test_fraction=0.5)


@pytest.mark.parametrize("by", ["path", "sha256"])
def test_labels_of_removed_images_are_left_out_and_counted(project: Project, by: str) -> None:
    images = images_of({"cat": 40, "dog": 40, None: 30})
    gone, typo = images[0], "cat/nowhere.png"
    texts = {image: getattr(image, "path" if by == "path" else "id") for image in images if image.folder_class}
    lines = "".join(f"{text},{image.folder_class}\n" for image, text in texts.items())
    project.images(images[1:]).csv(f"{by},label\n{lines}")
    with pytest.raises(DataError, match="1 label for images that were not ingested"):
        project.split(mode="team")
    tombstones.add({gone.id: [gone.path]}, "2026-01-01", "asked", {}, project.root / "removed.csv")
    counts = project.split(mode="team").labels
    assert (counts["removed_images"], counts["unknown_images"], counts["labeled_images"]) == (1, 0, 79)
    project.csv(f"{by},label\n{lines}{typo if by == 'path' else '0' * 64},cat\n")
    with pytest.raises(DataError, match="1 label for images that were not ingested"):
        project.split(mode="team")
