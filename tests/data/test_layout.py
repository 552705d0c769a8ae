"""What the names of folders mean: the same for ingest, doctor, init and the import of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssgan.data.sources.folder import Folder
from ssgan.data.sources.layout import class_folder, is_hidden, split_of
from ssgan.errors import DataError
from ssgan.names import is_pool
from tests.support.images import write
from tests.support.memory_bucket import bucket

COMPOSED, DECOMPOSED = "L\u00f6we", "Lo\u0308we"


def opened(kind: str, root: Path, *files: str, layout: str = "auto") -> Any:
    content = dict.fromkeys(files, b"x")
    return Folder(str(write(root / "raw", content)), layout) if kind == "folder" else bucket(content, layout)


def listed(source: Any) -> dict[str, tuple[str | None, str | None]]:
    return {item.path: (item.folder_class, item.official_split) for item in source.items() if not item.problem}


@pytest.mark.parametrize(
    "name", ["train", "Train", "TRAINING", "train2017", "train_2017", "seg_train", "val2017", "Valid", "validation"]
)
def test_names_of_training_splits(name: str) -> None:
    assert split_of(name) == "train"


@pytest.mark.parametrize("name", ["test", "Test", "testing", "test2017", "seg_test", "test-set", "TEST_IMAGES"])
def test_names_of_test_splits(name: str) -> None:
    assert split_of(name) == "test"


@pytest.mark.parametrize("name", ["trains", "steam train", "contest", "test tube", "trainer", "value", "train2", "invalid"])
def test_names_that_are_no_split(name: str) -> None:
    assert split_of(name) is None


@pytest.mark.parametrize(
    "name",
    ["unlabeled", "Unlabelled", "UNLABELED", "un-labeled", "no_label", "no-label", "NoLabel", "no labels", "_unlabeled",
     "unlabeled2017", "unlabeled_images", "not_labeled", "unannotated"],
)  # fmt: skip
def test_names_of_the_pool(name: str) -> None:
    assert is_pool(name)


@pytest.mark.parametrize("name", ["labeled", "unknown", "no", "label", "none", "unlabeled cat"])
def test_names_that_are_no_pool(name: str) -> None:
    assert not is_pool(name)


@pytest.mark.parametrize(
    "name", ["@eaDir", ".DS_Store", "Thumbs.db", "$RECYCLE.BIN", "lost+found", "System Volume Information", "#recycle"]
)
def test_what_systems_leave_behind_is_hidden(name: str) -> None:
    assert is_hidden(name)
    assert not is_hidden("")


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize(
    ("train", "test", "pool"),
    [("Train", "Test", "unlabelled"), ("training", "testing", "no_label"), ("train2017", "val2017", "unlabeled2017"),
     ("seg_train", "seg_test", "Unlabeled"), ("val", "test", "_unlabeled")],
)  # fmt: skip
def test_splits_and_the_pool_are_known_in_their_usual_spellings(
    tmp_path: Path, kind: str, train: str, test: str, pool: str
) -> None:
    source = opened(kind, tmp_path, f"{train}/cat/1", f"{train}/dog/2", f"{test}/cat/3", f"{train}/{pool}/4", f"{pool}/5")
    assert listed(source) == {
        f"{train}/cat/1": ("cat", "train"), f"{train}/dog/2": ("dog", "train"), f"{test}/cat/3": ("cat", split_of(test)),
        f"{train}/{pool}/4": (None, "train"), f"{pool}/5": (None, "train"),
    }  # fmt: skip
    assert source.classes() == ["cat", "dog"]


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize("pool", ["unlabelled", "no_label", "Unlabeled", "_unlabeled"])
def test_the_pool_is_no_class(tmp_path: Path, kind: str, pool: str) -> None:
    source = opened(kind, tmp_path, "cat/1", "dog/2", f"{pool}/3")
    assert source.classes() == ["cat", "dog"]
    assert listed(source)[f"{pool}/3"] == (None, None)


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize(
    ("files", "question"),
    [
        (("fold1/cat/1", "fold1/dog/2", "fold2/cat/3", "fold2/dog/4"), "hold the same folders"),
        (("test/1", "cat/2", "dog/3"), "`test` may be a split or a class"),
        (("train/1", "bus/2", "car/3"), "`train` may be a split or a class"),
        (("Test/cat/1", "unlabeled/2"), "`Test` may be a split or a class"),
        (("trainA/1", "trainB/2", "testA/3"), "`testA` and `trainB` may be splits or classes"),
        (("cat_train/1", "cat_val/2"), "`cat_train` and `cat_val` may be splits or classes"),
        (("cat/1", "nan/2"), "`nan` may be a class, or says that there is no label"),
        (("cat/1", "None/2"), "`None` may be a class"),
        (("train/cat/1", "train/NA/2", "test/cat/3"), "`train/NA` may be a class"),
        (("seg_train/seg_train/cat/1", "seg_test/seg_test/cat/2"), "`seg_test` holds `seg_test`"),
    ],
)
def test_names_that_allow_two_readings_are_a_question(tmp_path: Path, kind: str, files: tuple[str, ...], question: str) -> None:
    with pytest.raises(DataError, match=question):
        opened(kind, tmp_path, *files).classes()
    for layout in ("classes", "flat"):  # what a person says is done
        assert set(listed(opened(kind, tmp_path, *files, layout=layout))) == set(files)


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_one_class_in_two_forms_of_its_name_is_one(tmp_path: Path, kind: str) -> None:
    for files in (
        (f"{COMPOSED}/1", f"{DECOMPOSED}/2", "cat/3"),
        (f"train/{COMPOSED}/1", f"train/{DECOMPOSED}/2", "test/cat/3"),
    ):
        source = opened(kind, tmp_path / files[0].partition("/")[0], *files)
        assert source.classes() == [COMPOSED, "cat"] or source.classes() == ["cat", COMPOSED]
        assert {name for name, _ in listed(source).values()} == {COMPOSED, "cat"}
        assert set(listed(source)) == set(files)  # paths stay as they are


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_thumbnails_of_a_network_drive_are_no_images(tmp_path: Path, kind: str) -> None:
    source = opened(kind, tmp_path, "@eaDir/1", "cat/@eaDir/2", "cat/3", "dog/4")
    assert source.classes() == ["cat", "dog"]
    assert set(listed(source)) == {"cat/3", "dog/4"}


def test_empty_parts_of_keys_mean_nothing() -> None:
    source = bucket(dict.fromkeys(["cat//1.png", "dog/2.png", "/cat/3.png"], b"x"))
    assert source.classes() == ["cat", "dog"]
    assert listed(source) == {"cat//1.png": ("cat", None), "dog/2.png": ("dog", None), "/cat/3.png": ("cat", None)}


def test_the_folder_of_a_class() -> None:
    assert class_folder("cat/deep/1.png", "classes") == "cat"
    assert class_folder("train/cat/deep/1.png", "split_classes") == "train/cat"


def test_links_are_followed_and_named_since_dvc_does_not_follow_them(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"1": b"x"})
    source = opened("folder", tmp_path, "cat/1", "dog/2")
    assert len(source.notes) == 1
    for name in ("cat/more", "cow"):
        (tmp_path / "raw" / name).symlink_to(tmp_path / "elsewhere")
    source = Folder(str(tmp_path / "raw"))
    assert set(listed(source)) == {"cat/1", "cat/more/1", "cow/1", "dog/2"}
    assert "(2 links to folders were followed: `cat/more`, `cow`; `dvc repro` does not see" in source.notes[1]
