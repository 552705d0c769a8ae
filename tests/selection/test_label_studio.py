"""How Label Studio finds an image: what is written here was served by a real one."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ssgan.config import DigitsSource, FolderSource, S3Source, Source
from ssgan.selection.choose import Pick
from ssgan.selection.label_studio import interface, task, url_of

PICK = Pick("ab" * 32, "control", "drawn at random, to compare with", None, "cat", 0.98765, 1)


@pytest.mark.parametrize(
    ("source", "image"),
    [
        (FolderSource(path="/data/my cats/"), "/data/local-files/?d=my%20cats/d%C3%B6g%202/1.jpg"),
        (FolderSource(path="images"), "/data/local-files/?d=images/d%C3%B6g%202/1.jpg"),
        (DigitsSource(), "/data/local-files/?d=digits/d%C3%B6g%202/1.jpg"),
        (S3Source(url="s3://bucket/raw/"), "s3://bucket/raw/dög 2/1.jpg"),  # the name of an object: quoted, it is another one
    ],
)
def test_the_address_of_an_image(source: Source, image: str) -> None:
    made = task(PICK, "dög 2/1.jpg", "cat", "run", url_of(source))
    assert made["data"] == {"image": image, "sha256": "ab" * 32, "slice": "control", "reason": PICK.reason}


def test_another_address_is_a_url() -> None:
    assert task(PICK, "dög 2/1.jpg", "cat", "run", "https://x/")["data"]["image"] == "https://x/d%C3%B6g%202/1.jpg"


def test_a_pick_that_no_model_looked_at_has_no_prediction() -> None:
    made = task(PICK._replace(slice="held_out", predicted=None, probability=None), "1.jpg", None, "run", "https://x/")
    assert made["predictions"] == []
    assert made["data"]["slice"] == "held_out"


def test_class_names_may_hold_anything() -> None:
    names = ['a & "b"', "<c>", "d'e"]
    assert [choice.get("value") for choice in ElementTree.fromstring(interface(names)).iter("Choice")] == names
