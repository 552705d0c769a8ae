"""CVAT for images 1.1 (XML): the tag of an image is its class. Boxes and other shapes are ignored.

CVAT leaves tags out of COCO, so this is the form in which it hands them out. A tag with ``source="auto"`` is what a
model proposed, and no vote. The person is the assignee of the task or job, where there is one.
"""

from __future__ import annotations

from xml.etree import ElementTree

from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel

ROOT = b"<annotations>"


def recognizes(data: bytes) -> bool:
    """Whether a file begins like that."""
    return data.lstrip()[:1] == b"<" and ROOT in data[:4096]


def read(data: bytes, parsed: ParsedFile) -> None:
    """Add one label for every image with one tag. Raises DataError for broken XML."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError(f"the file is not valid XML ({error}); export it again as CVAT for images 1.1") from None
    who = {name.text.strip() for name in root.iterfind("meta/*/assignee/username") if name.text and name.text.strip()}
    annotator = who.pop() if len(who) == 1 else ""
    for image in root.iterfind("image"):
        _add(image, annotator, parsed)
    if root.find("track") is not None:
        parsed.problem("the file holds tracks of a video", "export the frames of an image task, as CVAT for images 1.1")


def _add(image: ElementTree.Element, annotator: str, parsed: ParsedFile) -> None:
    name = image.get("name", "").strip()
    tags = image.findall("tag")
    labels = sorted({tag.get("label", "").strip() for tag in tags if tag.get("source") != "auto"} - {""})
    if len(labels) > 1:
        text = f"image {name}: {len(labels)} tags ({', '.join(labels)}), but an image has one class"
        parsed.problem(text, "decide on one class for the image in the labeling tool, and export again")
    elif labels and not name:
        parsed.problem(f"image {image.get('id')}: no name", "export it again, or correct these entries")
    elif labels:
        parsed.labels.append(RawLabel("", name, labels[0], f"image {image.get('id')}", annotator))
    elif tags:
        parsed.skip("images with a tag that a model gave (source: auto)")
    else:
        parsed.skip("images without a tag")
