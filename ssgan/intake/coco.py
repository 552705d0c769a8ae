"""COCO JSON, used for whole images: the category of an image's annotations is its class. Boxes are ignored."""

from __future__ import annotations

from typing import Any

from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel, text_of

_LISTS = ("images", "annotations", "categories")


def recognizes(content: Any) -> bool:
    """Whether parsed JSON is COCO."""
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _LISTS)


def read(content: Any, parsed: ParsedFile) -> None:
    """Add one label for every image whose annotations are of one category. Raises DataError if it is not COCO."""
    if not recognizes(content):
        raise DataError(f"a COCO file is a JSON object with the lists {', '.join(_LISTS)}")
    names = {one.get("id"): text_of(one.get("name")) for one in content["categories"]}
    found: dict[Any, set[str]] = {}
    for one in content["annotations"]:
        found.setdefault(one.get("image_id"), set()).add(names.get(one.get("category_id"), ""))
    images = {one.get("id"): one for one in content["images"]}
    parsed.problems += [
        f"an annotation names the image {key!r}, which is not in `images`" for key in found if key not in images
    ]
    for key, image in images.items():
        where, labels = f"image {key}", sorted(found.get(key, ()))
        sha256, path = text_of(image.get("sha256")).lower(), text_of(image.get("file_name"))
        if not labels:
            parsed.skip("images without an annotation")
        elif "" in labels or not (sha256 or path):
            parsed.problems.append(
                f"{where}: {'no file_name' if '' not in labels else 'a category that is not in `categories`'}"
            )
        elif len(labels) > 1:
            parsed.problems.append(f"{where}: {len(labels)} categories ({', '.join(labels)}), but an image has one class")
        else:
            parsed.labels.append(RawLabel(sha256, path, labels[0], where))
