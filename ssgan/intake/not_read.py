"""Files that hold labels in a form that is not read here: what they are, and what to do with them instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

READ = "CSV, class folders, JSON lines, CVAT's XML, and the JSON of Label Studio and COCO are read"
_UNPACK = "unpack it, and import the file or the folder of classes in it"
_AS_CSV = "save it as CSV in UTF-8 with the columns `path` and `label`"
_WHOLE = "export the labels of whole images: class folders (ImageNet) with images, CSV, or COCO"

_OFFICE = {".xlsx": "a table of Excel", ".xlsm": "a table of Excel", ".ods": "a table of LibreOffice"}
_BYTES = (
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a rar archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\xd0\xcf\x11\xe0", "a table of an old Excel", _AS_CSV),
    (0, b"PAR1", "a Parquet table", _AS_CSV),
    (0, b"SQLite format 3", "a database", _AS_CSV),
    (0, b"\xff\xfe", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (0, b"\xfe\xff", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (0, b"\x89PNG", "an image", "name a file of labels, or the folder of class folders"),
    (0, b"\xff\xd8\xff", "an image", "name a file of labels, or the folder of class folders"),
)
_XML = {"annotation": "the XML of Pascal VOC, with boxes of one image"}


def of_bytes(path: Path, data: bytes) -> str | None:
    """The sentence for a file that is no text of a known kind; None where it may be read."""
    for offset, begin, what, remedy in _BYTES:
        if data.startswith(begin, offset):
            office = _OFFICE.get(path.suffix.lower())
            return _sentence(path, office or what, _AS_CSV if office else remedy)
    root = re.search(rb"<([A-Za-z_][\w.-]*)", data[:4096]) if data.lstrip()[:1] == b"<" else None
    if root:
        name = root[1].decode()
        return _sentence(path, _XML.get(name, f"XML (<{name}>)"), _WHOLE)
    return None


def of_json(path: Path, content: Any) -> str:
    """The sentence for JSON that is of no kind that is read."""
    return _sentence(path, *(_known_object(content) if isinstance(content, dict) else _known_list(content)))


def _known_object(content: dict[str, Any]) -> tuple[str, str]:
    keys = set(content)
    if {"items", "categories"} <= keys:
        return "Datumaro's JSON", "export from Datumaro as ImageNet or COCO (`datum convert -f imagenet`)"
    if "samples" in keys or {"classes", "labels"} <= keys:
        return "FiftyOne's JSON", "export from FiftyOne as ImageClassificationDirectoryTree or COCO"
    if {"shapes", "imagePath"} <= keys:
        return "LabelMe's JSON, with shapes in one image", _WHOLE
    if "_via_img_metadata" in keys or any(isinstance(one, dict) and "regions" in one for one in content.values()):
        return "VIA's JSON", "export from VIA as COCO"
    if "images" in keys and keys & {"categories", "annotations", "info"}:
        missing = [name for name in ("images", "annotations", "categories") if not isinstance(content.get(name), list)]
        return f"COCO without the list `{missing[0]}`" if missing else "COCO", "export it again with annotations and categories"
    return f"JSON with the keys {_listed(content)}", f"{READ}: export it in one of these"


def _known_list(content: Any) -> tuple[str, str]:
    first = content[0] if isinstance(content, list) and content else None
    if content == []:
        return "an empty list", "export it again, with the tasks that were labeled"
    if isinstance(first, dict) and {"image_id", "category_id"} <= set(first):
        return "a list of a detector's results in COCO", "import what people said: COCO with images, annotations and categories"
    if isinstance(first, dict):
        return f"a JSON list of objects with {_listed(first)}", (
            "name their fields `path` (or `sha256`) and `label`; of Label Studio, export the whole JSON"
        )
    return "JSON, but no list of objects", f"{READ}: export it in one of these"


def _listed(names: Any) -> str:
    some = [f"`{name}`" for name in list(names)[:5]]
    return ", ".join(some) + (", ..." if len(names) > 5 else "") if some else "nothing in it"


def _sentence(path: Path, what: str, remedy: str) -> str:
    return f"{path} is {what}, which is not read as labels; {remedy}"
