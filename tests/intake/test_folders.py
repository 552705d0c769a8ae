"""Class folders as labels: read by the rules of ingest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ssgan.errors import DataError
from ssgan.intake.formats import read_labels
from ssgan.intake.options import Fields
from ssgan.intake.raw_label import ParsedFile
from tests.support.images import write


def folder(root: Path, *names: str) -> Path:
    return write(root / "export", {name: name.encode() for name in names})


def labels(read: ParsedFile) -> dict[str, str]:
    return {one.path: one.label for one in read.labels}


@pytest.mark.parametrize("train", ["train", "Train", "training"])
def test_splits_above_the_classes_are_no_classes(tmp_path: Path, train: str) -> None:
    read = read_labels(folder(tmp_path, f"{train}/cat/1.png", f"{train}/dog/2.png", "valid/dog/3.png"))
    assert labels(read) == {f"{train}/cat/1.png": "cat", f"{train}/dog/2.png": "dog", "valid/dog/3.png": "dog"}


@pytest.mark.parametrize("pool", ["unlabelled", "no_label", "_unlabeled"])
def test_images_of_the_pool_are_counted_and_no_votes(tmp_path: Path, pool: str) -> None:
    read = read_labels(folder(tmp_path, "cat/1.png", "dog/2.png", f"{pool}/3.png", f"{pool}/4.png"))
    assert (labels(read), read.skipped) == ({"cat/1.png": "cat", "dog/2.png": "dog"}, {"files outside of class folders": 2})


def test_a_single_class_is_one(tmp_path: Path) -> None:
    assert labels(read_labels(folder(tmp_path, "cat/1.png", "cat/2.png"))) == {"cat/1.png": "cat", "cat/2.png": "cat"}


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"3.png": b"3", "4.png": b"4"})
    root = folder(tmp_path, "cat/1.png", "dog/2.png")
    (root / "cat/more").symlink_to(tmp_path / "elsewhere")
    (root / "cow").symlink_to(tmp_path / "elsewhere")
    (root / "cat/up").symlink_to("..")
    (root / "cat/dead").symlink_to("nowhere")
    os.mkfifo(root / "cat/pipe")
    read = read_labels(root)
    cats = ["cat/1.png", "cat/more/3.png", "cat/more/4.png"]
    assert labels(read) == {**dict.fromkeys(cats, "cat"), "dog/2.png": "dog", "cow/3.png": "cow", "cow/4.png": "cow"}
    assert read.skipped == {f"files that cannot be read ({why})": 1 for why in ("link_loop", "broken_link", "not_a_file")}


def test_what_is_no_image_is_counted_and_what_is_hidden_is_not_seen(tmp_path: Path) -> None:
    read = read_labels(folder(tmp_path, "cat/1.png", "cat/me.txt", "dog/2", "dog/@eaDir/2.png", "dog/.DS_Store", "dog/x.csv"))
    assert (labels(read), read.skipped) == ({"cat/1.png": "cat", "dog/2": "dog"}, {"files that are no images": 2})


def test_names_in_either_form_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = "L\u00f6we", "Lo\u0308we"
    assert set(labels(read_labels(folder(tmp_path, f"{composed}/1.png", f"{decomposed}/2.png"))).values()) == {composed}


COCO = json.dumps({"images": [], "annotations": [], "categories": []}).encode()


@pytest.mark.parametrize("name", ["annotations/instances_default.json", "train/_annotations.coco.json", "result.json"])
def test_an_export_with_its_labels_in_a_file_is_named(tmp_path: Path, name: str) -> None:
    root = write(tmp_path / "export", {name: COCO, "images/1.png": b"1", "images/2.png": b"2"})
    with pytest.raises(DataError, match=f"holds {name}, which is coco; import that file"):
        read_labels(root)


def test_other_json_beside_classes_does_no_harm(tmp_path: Path) -> None:
    root = write(
        tmp_path / "export", {"cat/1.png": b"1", "dog/2.png": b"2", "notes.json": b'{"a": 1}', "cat/broken.json": b"{"}
    )
    assert labels(read_labels(root)) == {"cat/1.png": "cat", "dog/2.png": "dog"}


def test_what_the_folders_do_not_say_a_person_does(tmp_path: Path) -> None:
    root = folder(tmp_path, "front/cat/1.png", "front/dog/2.png", "back/cat/3.png", "back/dog/4.png")
    with pytest.raises(DataError, match=r"hold the same folders.*--layout"):
        read_labels(root)
    assert set(labels(read_labels(root, fields=Fields(layout="classes"))).values()) == {"front", "back"}
    with pytest.raises(DataError, match="--layout"):
        read_labels(folder(tmp_path / "2", "cat/1.png", "nan/2.png"))


def test_the_newest_class_folder_tells_the_time(tmp_path: Path) -> None:
    root = folder(tmp_path, "train/cat/1.png", "test/dog/2.png", "unlabeled/3.png")
    for name, time in (("train/cat", 1_500_000_000), ("test/dog", 1_000_000_000), ("unlabeled", 1_600_000_000)):
        os.utime(root / name, (time, time))
    assert read_labels(root).time == "2017-07-14T02:40:00.000Z"


def test_names_that_are_not_utf_8_are_spelled_as_ingest_does(tmp_path: Path) -> None:
    root = os.fsencode(folder(tmp_path, "cat/1.png", "dog/2.png"))
    for name in (b"cat/gr\xf6n.png", b"k\xe4se/3.png"):
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        Path(os.fsdecode(os.path.join(root, name))).write_bytes(name)
    read = labels(read_labels(tmp_path / "export"))
    assert {path: name for path, name in read.items() if "\\" in path} == {
        "cat/gr\\xf6n.png": "cat",
        "k\\xe4se/3.png": "k\\xe4se",
    }


def test_and_so_are_those_in_json(tmp_path: Path) -> None:
    rows = [{"path": os.fsdecode(b"cat/gr\xf6n.png"), "label": "cat"}, {"path": "\ud800.png", "label": "dog"}]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert labels(read_labels(tmp_path / "x.json")) == {"cat/gr\\xf6n.png": "cat", "?.png": "dog"}
