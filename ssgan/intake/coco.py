"""COCO JSON, used for whole images: the category of an image's annotations is its class. Boxes are ignored.

An id that stands for two things is a problem: nobody can tell which of them a label means. Annotations with a ``score`` are
what a model proposed, and no votes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel, text_of

_LISTS = ("images", "annotations", "categories")
_MERGED = "import each of the merged files by itself, or merge them with a tool that gives new ids"
_ONE_CLASS = "decide on one class for the image in the labeling tool, and export again"
_BROKEN = "export it again, or correct these entries"


def recognizes(content: Any) -> bool:
    """Whether parsed JSON is COCO."""
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _LISTS)


def read(content: Any, parsed: ParsedFile) -> None:
    """Add one label for every image whose annotations are of one category. Raises DataError if it is not COCO."""
    if not recognizes(content):
        raise DataError(f"a COCO file is a JSON object with the lists {', '.join(_LISTS)}")
    names = _by_id(content["categories"], lambda one: text_of(one.get("name")))
    images = _by_id(content["images"], lambda one: (text_of(one.get("sha256")).lower(), text_of(one.get("file_name"))))
    found: dict[Any, list[Any]] = {}
    for one in content["annotations"]:
        if one.get("score") is not None:
            parsed.skip("annotations with a score, as a model gives them")
        else:
            found.setdefault(one.get("image_id"), []).append(one.get("category_id"))
    for key in found:
        if key not in images:
            parsed.problem(f"an annotation names the image {key!r}, which is not in `images`", _BROKEN)
    for key, places in images.items():
        if key in found:
            _add(f"image {key}", places, [names.get(category, []) for category in found[key]], parsed)
        else:
            parsed.skip("images without an annotation")


def _by_id(entries: list[Any], what: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """What each id stands for, each once; an entry that is repeated word for word does no harm."""
    found: dict[Any, list[Any]] = {}
    for one in entries:
        known = found.setdefault(one.get("id"), [])
        if what(one) not in known:
            known.append(what(one))
    return found


def _add(where: str, places: list[tuple[str, str]], categories: list[list[str]], parsed: ParsedFile) -> None:
    twice = next((names for names in categories if len(names) > 1), None)
    labels = sorted({name for names in categories for name in names})
    sha256, path = places[0]
    if len(places) > 1:
        both = " and ".join(repr(path or sha256) for sha256, path in places)
        parsed.problem(f"{where}: this id stands for {both}", _MERGED)
    elif twice:
        parsed.problem(f"{where}: the id of its category stands for {' and '.join(map(repr, twice))}", _MERGED)
    elif [] in categories or "" in labels:
        parsed.problem(f"{where}: a category that is not in `categories`, or has no name", _BROKEN)
    elif not (sha256 or path):
        parsed.problem(f"{where}: no file_name", _BROKEN)
    elif len(labels) > 1:
        parsed.problem(f"{where}: {len(labels)} categories ({', '.join(labels)}), but an image has one class", _ONE_CLASS)
    else:
        parsed.labels.append(RawLabel(sha256, path, labels[0], where))
