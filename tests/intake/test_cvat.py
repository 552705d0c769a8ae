"""Tags of CVAT, which are in its XML alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.intake.formats import read_labels
from tests.support.label_files import short, write

IMAGES = """
 <image id="0" name="day1/0.png" width="9" height="9"><tag label="cat" source="manual"></tag></image>
 <image id="1" name="day1/1.png"><tag label="cat"/><tag label="dog"/></image>
 <image id="2" name="day1/2.png"><box label="dog" xtl="1"/></image>
 <image id="3" name="day1/3.png"><tag label="dog" source="auto"/></image>
 <image id="4" name="day1/4.png"><tag label="dog" source="auto"/><tag label=" cat " source="manual"/></image>
"""
EVA = "<assignee><username>eva</username><email>eva@x.org</email></assignee>"
BOB = EVA.replace("eva", "bob")


def cvat(images: str, *people: str) -> str:
    meta = "".join(f"<job><owner><username>lead</username></owner>{one}</job>" for one in people)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<meta>{meta}</meta>{images}</annotations>'


def test_tags_are_classes_and_what_a_model_gave_is_no_vote(tmp_path: Path) -> None:
    read = read_labels(write(tmp_path, cvat(IMAGES), "annotations.xml"))
    assert (read.kind, short(read)) == ("cvat", [("day1/0.png", "cat", ""), ("day1/4.png", "cat", "")])
    assert [one.text for one in read.problems] == ["image day1/1.png: 2 tags (cat, dog), but an image has one class"]
    assert read.skipped == {"images without a tag": 1, "images with a tag that a model gave (source: auto)": 1}


@pytest.mark.parametrize(("people", "who"), [((EVA,), "eva"), ((EVA, EVA), "eva"), ((EVA, BOB), ""), (("",), "")])
def test_the_one_assignee_is_the_annotator(tmp_path: Path, people: tuple[str, ...], who: str) -> None:
    read = read_labels(write(tmp_path, cvat(IMAGES, *people), "annotations.xml"))
    assert {one.annotator for one in read.labels} == {who}


def test_a_video_is_a_problem(tmp_path: Path) -> None:
    read = read_labels(write(tmp_path, cvat('<track id="0" label="cat"></track>'), "annotations.xml"))
    assert [one.text for one in read.problems] == ["the file holds tracks of a video"]
