"""A file from which no vote comes ends with a reason, whatever it is."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ssgan.errors import DataError
from ssgan.intake.formats import read_labels
from ssgan.intake.options import Fields
from tests.support.label_files import annotation, look, short, task, write


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "{}")  # without the time of now: it would be part of the name of a test
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("labels.csv"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("export.zip", zipped("annotations/instances_default.json"), "is a zip archive.*unpack it"),
        ("labels.csv", zipped("labels.csv"), "is a zip archive.*unpack it"),  # under a wrong name too
        ("labels.xlsx", zipped("xl/workbook.xml"), "is a table of Excel.*save it as CSV in UTF-8"),
        ("labels.csv.gz", gzip.compress(b"path,label\n", mtime=0), "is a gzip archive"),
        ("export.tar", tarred(), "is a tar archive"),
        ("labels.parquet", b"PAR1....", "is a Parquet table"),
        ("labels.csv", "path,label\na.png,cat\n".encode("utf-16"), "is text in UTF-16.*UTF-8"),
        ("1.png", b"\x89PNG\r\n\x1a\n", "is an image"),
        ("a.xml", b"<annotations><image", "not valid XML"),
        ("a.xml", b"<annotation><folder>x</folder></annotation>", "XML of Pascal VOC"),
        ("a.xml", b"<plist></plist>", "is XML .<plist>."),
        ("a.json", b"[]", "an empty list"),
        ("a.json", b'{"info": {}, "categories": {}, "items": []}', "Datumaro's JSON"),
        ("a.json", b'{"samples": []}', "FiftyOne's JSON"),
        ("a.json", b'{"classes": ["cat"], "labels": {"1": 0}}', "FiftyOne's JSON"),
        ("a.json", b'{"shapes": [], "imagePath": "1.png"}', "LabelMe's JSON"),
        ("a.json", b'{"1.png1234": {"filename": "1.png", "regions": []}}', "VIA's JSON.*COCO"),
        ("a.json", b'{"images": [], "categories": []}', "COCO without the list `annotations`"),
        ("a.json", b'[{"image_id": 1, "category_id": 2, "score": 0.5}]', "a list of a detector's results"),
        ("a.json", b'[{"file": "1.png", "tag": "cat"}]', "objects with `file`, `tag`.*name their fields `path`"),
        ("a.csv", b"filename,class\n1.png,cat\n", "rename `filename` to `path`; rename `class` to `label`"),
        ("p.csv", b"id,path,label,probability,abstain,model_id\na,1.png,cat,0.9,no,m\n", "what a model said"),
        ("a.jsonl", b'{"path": "1.png", "label": "cat"}\n{"path": \n', "not valid JSON"),
    ],
)
def test_files_that_are_not_read_say_what_they_are(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / name)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="a pipe or a device"):
        read_labels(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["path", "file_name"])
def test_objects_with_a_path_and_a_label_are_read(tmp_path: Path, name: str) -> None:
    rows: list[dict[str, Any]] = [
        {name: "1.png", "label": "cat"}, {name: "2.png", "label": "dog", "annotator": "eva"}, {name: "3.png", "label": None},
        {"sha256": "AB" * 32, "label": 7}, {name: "4.png", "label": ["cat", "dog"]}, {"label": "cat"},
    ]  # fmt: skip
    for content in (json.dumps(rows), "\n".join(map(json.dumps, rows)) + "\n"):
        read = read_labels(write(tmp_path, content))
        assert read.kind == "json-rows"
        assert short(read) == [("1.png", "cat", ""), ("2.png", "dog", "eva"), ("ab" * 32, "7", "")]
        assert read.skipped == {"objects without a label": 1}
        assert [one.text for one in read.problems] == ['object 5: its label is ["cat", "dog"]', "object 6: names no image"]


def ground_truth(number: int, human: str = "yes") -> dict[str, Any]:
    said = {"class-name": "cat", "human-annotated": human, "creation-date": "2026-02-07T12:00:00.000000"}
    return {"source-ref": f"s3://lab/raw/{number}.png", "animal": 0, "animal-metadata": said}


def test_the_manifest_of_ground_truth_holds_what_people_said(tmp_path: Path) -> None:
    rows = [ground_truth(1), ground_truth(2, human="no"), {"source-ref": "s3://lab/raw/3.png"}]
    read = read_labels(write(tmp_path, "\n".join(map(json.dumps, rows))))
    assert [(one.path, one.label, one.time[:10]) for one in read.labels] == [("s3://lab/raw/1.png", "cat", "2026-02-07")]
    assert read.skipped == {"labels that no person gave (human-annotated)": 1, "objects without an answer": 1}


def test_of_two_label_attributes_a_person_names_one(tmp_path: Path) -> None:
    sharp = {"class-name": "sharp", "human-annotated": "yes"}
    path = write(tmp_path, "\n".join(json.dumps({**ground_truth(i), "look-metadata": sharp}) for i in (1, 2)))
    assert not read_labels(path).labels
    assert {one.remedy for one in read_labels(path).problems} == {"name the one that is the class: --control NAME"}
    assert [one.label for one in read_labels(path, fields=Fields(control="look")).labels] == ["sharp", "sharp"]


def test_label_studio_before_version_1_is_read(tmp_path: Path) -> None:
    done = annotation("cat", who=None) | {"created_at": 1_600_000_000}
    old = {"id": 0, "data": {"image": "1.png"}, "completions": [done], "predictions": []}
    skipped = {"id": 1, "data": {"image": "2.png"}, "completions": [annotation("dog", skipped=True)]}
    read = read_labels(write(tmp_path, [old, skipped, task(annotation("dog"), image="3.png")]))
    assert [(one.path, one.label, one.time) for one in read.labels] == [
        ("1.png", "cat", "2020-09-13T12:26:40.000Z"), ("3.png", "dog", "2026-02-07T12:00:00Z"),
    ]  # fmt: skip
    assert read.skipped == {"skipped tasks (was_cancelled)": 1}


def test_one_task_alone_is_read(tmp_path: Path) -> None:
    assert short(read_labels(write(tmp_path, task(annotation("cat"), image="1.png")))) == [
        ("1.png", "cat", "label-studio user 1")
    ]


@pytest.mark.parametrize("kind", ["rectanglelabels", "taxonomy", "textarea"])
def test_answers_that_are_no_choice_are_a_problem(tmp_path: Path, kind: str) -> None:
    box = annotation() | {"result": [{"type": kind, "from_name": "box", "value": {kind: ["cat"]}}]}
    read = read_labels(write(tmp_path, [task(box)]))
    assert not read.labels
    assert [one.text for one in read.problems] == [f"task 3: answered with {kind}, which are not a class of the image"]


def test_flat_answers_that_are_no_choice_are_a_problem(tmp_path: Path) -> None:
    flat = {"id": 1, "annotation_id": 4, "image": "1.png", "box": [{"x": 1, "rectanglelabels": ["cat"]}]}
    table = 'annotation_id,id,image,box,lead_time\n4,1,1.png,"[{""x"": 1}]",3\n'
    for content in ([flat], table):
        assert [one.text for one in read_labels(write(tmp_path, content)).problems] == ["task 1: `box` is no choice"]


def test_a_cell_with_several_choices_is_no_class(tmp_path: Path) -> None:
    table = 'annotation_id,id,image,answer,lead_time\n4,1,1.png,"{""choices"":[""cat"",""dog""]}",3\n5,2,2.png,[sic],3\n'
    read = read_labels(write(tmp_path, table))
    assert [one.text for one in read.problems] == ["task 1: 2 choices (cat, dog), but an image has one class"]
    assert [one.label for one in read.labels] == ["[sic]"]


def controls(**answers: str) -> dict[str, Any]:
    parts = [{"type": "choices", "from_name": name, "value": {"choices": [label]}} for name, label in answers.items()]
    return annotation() | {"result": parts}


def test_of_two_controls_a_person_names_one(tmp_path: Path) -> None:
    tasks = [task(controls(kind="cat"), image="1.png"), task(controls(look="sharp"), image="2.png")]
    both = [*tasks, task(controls(kind="dog", look="dim"), image="3.png")]
    for content in (tasks, both):  # also where no task has both
        read = read_labels(write(tmp_path, content))
        assert not read.labels
        assert {one.remedy for one in read.problems} == {"name the control that is the class: --control NAME"}
    named = read_labels(write(tmp_path, both), fields=Fields(control="kind"))
    assert [(one.path, one.label) for one in named.labels] == [("1.png", "cat"), ("3.png", "dog")]
    with pytest.raises(DataError, match=r"--control 'kinds' answers nothing.*'kind', 'look'"):
        read_labels(tmp_path / "labels.json", fields=Fields(control="kinds"))


def test_an_image_under_another_name_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": 3, "data": {"img": "1.png"}, "annotations": [annotation("cat")]}])
    assert [one.remedy for one in read_labels(path).problems] == ["name the field that does: --image-field NAME, of img"]
    assert short(read_labels(path, fields=Fields(image="img")))[0][0] == "1.png"


def test_what_a_model_proposed_in_coco_is_no_vote(tmp_path: Path) -> None:
    marks = [{"image_id": 0, "category_id": 1, "score": 0.9}, {"image_id": 1, "category_id": 1, "score": None}]
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(2)]
    read = read_labels(write(tmp_path, {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "cat"}]}))
    assert short(read) == [("1.png", "cat", "")]
    assert read.skipped == {"annotations with a score, as a model gives them": 1, "images without an annotation": 1}


def coco(images: Any, categories: Any = ((1, "cat"), (2, "dog"))) -> dict[str, Any]:
    marks = [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 2}]
    return {
        "images": [{"id": i, "file_name": name} for i, name in images],
        "categories": [{"id": i, "name": name} for i, name in categories],
        "annotations": marks,
    }


def test_an_id_that_stands_for_two_things_is_a_problem(tmp_path: Path) -> None:
    read = read_labels(write(tmp_path, coco([(1, "a/0.png"), (1, "b/0.png"), (2, "2.png"), (3, "x"), (3, "y")])))
    assert [one.text for one in read.problems] == ["image 1: this id stands for 'a/0.png' and 'b/0.png'"]
    assert "merged" in read.problems[0].remedy
    assert short(read) == [("2.png", "dog", "")]
    read = read_labels(write(tmp_path, coco([(1, "1.png"), (2, "2.png")], [(1, "cat"), (2, "dog"), (2, "cow")])))
    assert [one.text for one in read.problems] == ["image 2: the id of its category stands for 'dog' and 'cow'"]
    assert short(read) == [("1.png", "cat", "")]


def test_an_entry_that_is_repeated_word_for_word_does_no_harm(tmp_path: Path) -> None:
    read = read_labels(write(tmp_path, coco([(1, "1.png"), (1, "1.png"), (2, "2.png")], [(1, "cat"), (1, "cat"), (2, "dog")])))
    assert (len(read.labels), read.problems) == (2, [])


@pytest.mark.parametrize("time", [1e300, float("nan"), "yesterday"])
def test_a_time_that_is_none_is_an_error_in_the_data(tmp_path: Path, time: Any) -> None:
    path = write(tmp_path, [task(annotation("cat") | {"created_at": time}, image="1.png")])
    with pytest.raises(DataError, match=r"task 3: .* is not a time"):
        look(tmp_path, path)
