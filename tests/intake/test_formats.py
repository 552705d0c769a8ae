"""What labeling tools write, and what of it is a label."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ssgan.errors import DataError
from ssgan.intake.formats import read_labels
from ssgan.intake.raw_label import LabelFormat, RawLabel
from tests.support.label_files import annotation, short, task, write

ONE_CLASS = "decide on one class for the image in the labeling tool, and export again"


def test_csv_with_and_without_annotator_and_time(tmp_path: Path) -> None:
    read = read_labels(write(tmp_path, "path,label,annotator,time\na.png,cat,eva,2026-02-07\nb.png,,,\nc.png,dog,,\n", "x.csv"))
    assert read.kind == "csv"
    assert read.labels == [
        RawLabel("", "a.png", "cat", "line 2", "eva", "2026-02-07", ""),
        RawLabel("", "c.png", "dog", "line 4", "", "", ""),
    ]
    assert read.skipped == {"lines without a label": 1}


def test_label_studio_votes_are_choices_of_finished_annotations_only(tmp_path: Path) -> None:
    predicted = task(image="2.png") | {"predictions": [{"result": annotation("dog")["result"], "score": 0.9}]}
    tasks = [
        task(annotation("cat"), annotation("dog", who={"id": 2, "email": "eva@x.org"}, updated_at="2026-02-08T00:00:00Z")),
        predicted,
        task(annotation("cat", was_cancelled=True)),
        task(annotation()),
        task(annotation("cat"), sha256="AB" * 32),
    ]
    read = read_labels(write(tmp_path, tasks))
    assert read.kind == "label-studio"
    upload = "/data/upload/1/0a1b2c3d-1.png"
    assert short(read) == [
        (upload, "cat", "label-studio user 1"),
        (upload, "dog", "eva@x.org"),
        ("ab" * 32, "cat", "label-studio user 1"),
    ]
    assert [one.time for one in read.labels] == ["2026-02-07T12:00:00Z", "2026-02-08T00:00:00Z", "2026-02-07T12:00:00Z"]
    assert read.skipped == {
        "tasks without an annotation": 1, "skipped tasks (was_cancelled)": 1, "annotations without a choice": 1,
    }  # fmt: skip
    assert read.problems == []


def test_label_studio_problems_are_named(tmp_path: Path) -> None:
    nothing = {"id": 9, "data": {"text": "hello"}, "annotations": [annotation("cat")]}
    read = read_labels(write(tmp_path, [task(annotation("cat", "dog")), nothing]))
    assert read.problems == [
        ("task 3: 2 choices (cat, dog), but an image has one class", ONE_CLASS),
        ("task 9: its data does not name an image", "name the field that does: --image-field NAME, of text"),
    ]
    assert read.labels == []


def test_label_studio_short_form(tmp_path: Path) -> None:
    flat = {"id": 1, "annotation_id": 4, "annotator": 2, "created_at": "2026-02-07T12:00:00Z", "lead_time": 3.1}
    read = read_labels(
        write(
            tmp_path, [{**flat, "image": "1.png", "class": "cat"}, {**flat, "image": "2.png", "class": {"choices": ["a", "b"]}}]
        )
    )
    assert short(read) == [("1.png", "cat", "label-studio user 2")]
    assert read.problems == [("task 1: 2 choices (a, b), but an image has one class", ONE_CLASS)]


def test_coco_images_of_one_category(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(5)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]}
            for image, category in [(0, 1), (1, 2), (1, 2), (2, 1), (2, 2), (3, 7), (99, 1)]
        ],
    }
    read = read_labels(write(tmp_path, coco))
    assert (read.kind, short(read)) == ("coco", [("0.png", "cat", ""), ("1.png", "dog", "")])
    assert read.skipped == {"images without an annotation": 1}
    assert sorted(one.text for one in read.problems) == [
        "an annotation names the image 99, which is not in `images`",
        "image 2: 2 categories (cat, dog), but an image has one class",
        "image 3: a category that is not in `categories`, or has no name",
    ]


def test_class_folders_know_images_by_their_bytes(tmp_path: Path) -> None:
    for name in (
        "cat/1.png",
        "cat/deep/2.png",
        "dog/1.png",
        "unlabeled/9.png",
        ".git/x",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "read.me",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    os.utime(tmp_path / "dog", (1_000_000_000, 1_000_000_000))
    os.utime(tmp_path / "cat", (1_500_000_000, 1_500_000_000))
    os.utime(tmp_path / "unlabeled", (900_000_000, 900_000_000))
    read = read_labels(tmp_path)
    assert [(one.path, one.label) for one in read.labels] == [
        ("cat/1.png", "cat"),
        ("cat/deep/2.png", "cat"),
        ("dog/1.png", "dog"),
    ]
    assert read.skipped == {"files outside of class folders": 2}
    assert read.time == "2017-07-14T02:40:00.000Z"
    (tmp_path / "cat/1.png").rename(tmp_path / "cat/3.png")
    assert read_labels(tmp_path).fingerprint == read.fingerprint  # names do not matter
    (tmp_path / "cat/3.png").rename(tmp_path / "dog/3.png")
    assert read_labels(tmp_path).fingerprint != read.fingerprint


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("[1, 2]", None, "is JSON, but no list of objects, which is not read as labels"),
        ('{"a": 1}', None, r"is JSON with the keys `a`, which is not read as labels; .*CSV, class folders"),
        ("[{", None, "not valid JSON"),
        ("path,label\n", LabelFormat.coco, "not valid JSON"),
        ('{"a": 1}', LabelFormat.coco, "the lists images, annotations, categories"),
        ('{"a": 1}', LabelFormat.label_studio, "a JSON list of tasks"),
        ('[{"data": {"image": "1.png"}, "annotations": [3]}]', None, "not what this format should be"),
        ("path,label\n", LabelFormat.folders, "is a file, which --format folders cannot be"),
        ("nonsense", None, r"the label file: .*has the columns \['nonsense'\]"),
    ],
)
def test_wrong_files_say_what_to_do(tmp_path: Path, content: str, kind: LabelFormat | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path, content), kind)


def test_wrong_folders(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    with pytest.raises(DataError, match="holds no class folder"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match="is a folder, which --format csv cannot be"):
        read_labels(tmp_path, LabelFormat.csv)
    with pytest.raises(DataError, match="does not exist"):
        read_labels(tmp_path / "nothing.csv")


def test_a_byte_order_mark_hides_no_json(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf " + json.dumps([task(annotation("cat"))]).encode())
    assert read_labels(path).kind == "label-studio"
