"""What a split promises: frozen test, no leak, honest budget, same bytes."""

import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ssgan.data import classes, schema
from ssgan.data.digests import digests, draws
from ssgan.data.store import ImageStore
from ssgan.errors import DataError
from ssgan.provenance import ids_sha256
from tests.support.split_project import Copy, Image, Project, images_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """120 images of three classes, all labeled."""
    project = Project(tmp_path, {"mode": "benchmark", "num_labels": 12})
    return project.images(images_of({"cat": 40, "dog": 40, "eel": 40}))


# --- sets ------------------------------------------------------------------------------------------------------------


def test_benchmark_sets(project: Project) -> None:
    summary = project.split()
    ids = {name: project.ids(name) for name in schema.SETS}
    assert ids["labeled"] < ids["unlabeled"]
    assert not ids["unlabeled"] & ids["val"]
    assert not ids["unlabeled"] & ids["test"]
    assert not ids["val"] & ids["test"]
    assert len(ids["unlabeled"] | ids["val"] | ids["test"]) == 120
    assert summary.sets["labeled"].classes == {"cat": 4, "dog": 4, "eel": 4}
    assert summary.labeled_in_unlabeled == 12
    assert 5 <= len(ids["val"]) <= 20
    assert 12 <= len(ids["test"]) <= 36
    stored = json.loads((project.out / "split.json").read_text())
    assert stored["sets"]["labeled"]["ids_sha256"] == ids_sha256(ids["labeled"])
    assert "Salimans" in stored["unlabeled_rule"]
    assert stored["config"]["num_labels"] == 12


def test_files_follow_the_schemas(project: Project) -> None:
    project.split()
    names = ["cat", "dog", "eel"]
    about = (project.files.image_spec(), names, ImageStore(str(project.root / "images")).describe())
    for name in ("labeled", "val", "test"):
        assert project.stored(name).equals(schema.labeled_schema(*about), check_metadata=True)
    assert project.stored("unlabeled").equals(schema.unlabeled_schema(*about), check_metadata=True)
    assert project.stored("unlabeled").names == ["position"]  # no label, no path, no id
    assert classes.load(project.out / "classes.json").names == names
    assert sorted(f.name for f in project.out.iterdir()) == [
        "classes.json",
        "labeled.parquet",
        "reserved.parquet",
        "split.json",
        "test.parquet",
        "unlabeled.parquet",
        "val.parquet",
    ]


def test_every_row_keeps_its_own_pixels_and_label(project: Project) -> None:
    images = {i.id: i for i in images_of({"cat": 40, "dog": 40, "eel": 40})}
    project.split()
    for name in schema.SETS:
        for one, pixels in zip(project.files.ids(name), project.files.inputs(name), strict=True):
            assert np.array_equal(pixels, images[one].pixels)
        if name != "unlabeled":
            classes = [["cat", "dog", "eel"][label] for label in project.files.labels(name)]
            assert classes == [images[one].folder_class for one in project.files.ids(name)]


def test_position_tells_nothing_about_the_class(project: Project) -> None:
    project.split()
    images = {i.id: i.folder_class for i in images_of({"cat": 40, "dog": 40, "eel": 40})}
    names = [images[i] for i in project.files.ids("unlabeled")]
    changes = sum(a != b for a, b in itertools.pairwise(names))
    assert changes > len(names) / 2  # 2/3 by chance; 2 in all if sorted by class
    rows = project.files.rows("unlabeled")
    assert np.array_equal(rows, np.sort(rows))  # the order of the file is that of the store


def test_rows_lie_in_the_order_of_their_draw(project: Project) -> None:
    project.split()
    for name in schema.SETS:
        draw = draws(digests(map(bytes.fromhex, project.files.ids(name)))).tolist()
        assert draw == sorted(draw)


def test_team_sets_and_reserved_images(project: Project) -> None:
    images = images_of({"cat": 40, "dog": 40, "eel": 40})
    labels = {i.path: str(i.folder_class) for i in images if int(i.name.split("-")[1]) < 25}
    summary = project.label(labels).split(mode="team")
    ids = {name: project.ids(name) for name in schema.SETS}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 120 - sum(summary.reserved.values())
    assert ids["labeled"] | ids["val"] | ids["test"] == {i.id for i in images if i.path in labels}
    assert summary.reserved["test"] > 0
    assert summary.reserved["val"] > 0
    waiting = dict(zip(project.files.reserved(), project.files.read(schema.RESERVED)["set"].to_pylist(), strict=True))
    assert waiting.keys() == {image.id for image in images} - set().union(*ids.values())
    assert Counter(waiting.values()) == summary.reserved
    train_only = ids["labeled"] | ids["unlabeled"]
    still_open = next(i.path for i in images if i.id in ids["unlabeled"])  # a split needs one unlabeled image
    project.label({i.path: str(i.folder_class) for i in images if i.path != still_open}).split(mode="team")
    assert ids["test"] < project.ids("test")
    assert ids["val"] < project.ids("val")
    assert {one: name for name in ("val", "test") for one in project.ids(name)}.items() >= waiting.items()
    assert not train_only & (project.ids("test") | project.ids("val"))  # nothing trained first and is tested now


# --- official test sets ----------------------------------------------------------------------------------------------


def official(project: Project, *more: Image) -> list[Image]:
    train = images_of({"cat": 40, "dog": 40}, official_split="train")
    test = images_of({"cat": 10, "dog": 10}, start=100, official_split="test")
    project.images([*train, *test, *more])
    return test


def test_official_test_set_is_kept_as_it_is(project: Project) -> None:
    test = official(project)
    summary = project.split(val_fraction=0.2)
    assert project.ids("test") == {i.id for i in test}
    assert summary.official_test
    assert 4 <= summary.sets["val"].images <= 30
    assert summary.leak_removed == summary.official_overlap == 0


def test_near_duplicates_of_official_test_leave_training_but_do_not_join_test(project: Project) -> None:
    twins = [Image(f"twin-{i}", "cat", side, seed=7, brighter=i) for i, side in enumerate(["test", "train", "train"])]
    test = official(project, *twins)
    summary = project.split()
    assert project.ids("test") == {i.id for i in test} | {twins[0].id}
    assert summary.leak_removed == 2
    assert summary.moved == {"to_val": 0, "to_test": 0}
    assert not {t.id for t in twins[1:]} & (project.ids("unlabeled") | project.ids("val"))


def test_near_duplicates_within_official_test_stay(project: Project) -> None:
    twins = [Image(f"twin-{i}", "cat", "test", seed=7, brighter=i) for i in range(3)]
    official(project, *twins)
    assert project.split().leak_removed == 0
    assert {t.id for t in twins} <= project.ids("test")


def test_file_in_official_train_and_test_counts_as_test(project: Project) -> None:
    image = Image("both", "cat", "train")
    test = official(project, image)
    project.copies([Copy(image, "test/cat/both.png", "cat", "test")])
    summary = project.split()
    assert project.ids("test") == {i.id for i in test} | {image.id}
    assert summary.official_overlap == 1
    assert image.id not in project.ids("unlabeled")


def test_planted_near_duplicates_follow_the_strictest_side(project: Project) -> None:
    twins = [Image(f"cat-twin-{i}", "cat", seed=7, brighter=i % 4) for i in range(30)]
    other = Image("dog-twin", "dog", seed=7)
    project.images([*images_of({"cat": 40, "dog": 40}), *twins, other])
    summary = project.split(mode="benchmark", num_labels=4)
    assert {t.id for t in twins} | {other.id} <= project.ids("test")
    assert summary.near_duplicates["groups"] == 1
    assert summary.near_duplicates["images_in_groups"] == summary.near_duplicates["largest_group"] == 31
    assert summary.near_duplicates["conflicting_pairs"] > 0
    assert summary.near_duplicates["conflicting_groups"] == 1
    assert summary.moved["to_test"] >= 15


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_unlabeled_set_costs_four_bytes_an_image_and_labels_alone_change_no_image(project: Project) -> None:
    images = images_of({"cat": 3000, "dog": 3000})
    labels = {image.path: str(image.folder_class) for image in images[::40]}
    config = {"mode": "team", "near_duplicate_bits": 0}
    project.images(images, shards=3).label(labels).split(**config)
    shards = {path.name: path.stat().st_mtime_ns for path in (project.root / "images").iterdir()}
    size = (project.out / "unlabeled.parquet").stat().st_size
    assert size < 4 * project.files.num_rows("unlabeled")
    project.label(labels | {image.path: str(image.folder_class) for image in images[1::40]}).split(**config)
    assert {path.name: path.stat().st_mtime_ns for path in (project.root / "images").iterdir()} == shards
    whole = sum(path.stat().st_size for path in project.out.iterdir())
    assert whole < 4 * len(images) + 60 * len(labels) * 2 + 10_000


def test_other_images_than_those_of_the_split_are_refused(project: Project) -> None:
    project.split()
    assert len(project.files.inputs("unlabeled")) > 0
    project.images(images_of({"cat": 40, "dog": 40, "eel": 41}))
    with pytest.raises(DataError, match=r"are not those that .* was made of; run `dvc repro split`"):
        project.files.inputs("unlabeled")


def test_preparation_never_imports_torch() -> None:
    code = "import sys, ssgan.data.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sides_do_not_depend_on_the_class() -> None:
    draw = draws(digests(bytes.fromhex(i.id) for i in images_of({"cat": 4000})))
    share = Counter((draw >> 60).tolist())
    assert len(share) == 16
    assert max(share.values()) < 350


def test_golden_draws(project: Project) -> None:
    """The hash that freezes test sets must never change, and a label budget means the same images everywhere."""
    assert draws(digests([bytes(range(32))])).tolist() == [GOLDEN_DRAW]
    assert project.split(split_seed=1).sets["labeled"].ids_sha256 == GOLDEN_LABELS


GOLDEN_DRAW = 15632683231131168391
GOLDEN_LABELS = "4560325b22d740391c32f438452b25ee7c8b1fde42c1371adddd6ba78f06ef86"
