"""JSON lines, or a JSON list, with one object per image: ``{"file_name": "1.png", "label": "cat"}``; and the output manifest of
SageMaker Ground Truth, which is JSON lines of its own kind.

A label that Ground Truth gave by itself (``human-annotated: no``) is no vote.
"""

from __future__ import annotations

import json
from typing import Any

from ssgan.intake.raw_label import ParsedFile, RawLabel, text_of

PATHS = ("path", "file_name", "source-ref")
_META = "-metadata"


def parse_lines(text: bytes) -> list[dict[str, Any]] | None:
    """The objects of a file with one on each line; None for any other text."""
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None
    return rows if len(rows) > 1 and all(isinstance(row, dict) for row in rows) else None


def recognizes(content: Any) -> bool:
    """Whether parsed JSON is such a list."""
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict) or not any(name in first for name in (*PATHS, "sha256")):
        return False
    return "label" in first or any(name.endswith(_META) for name in first)


def read(rows: list[dict[str, Any]], control: str, parsed: ParsedFile) -> None:
    """Add all rows. control: the label attribute of a manifest; empty: the only one."""
    attributes = list(dict.fromkeys(name.removesuffix(_META) for row in rows for name in row if name.endswith(_META)))
    for number, row in enumerate(rows, 1):
        where = f"object {number}"
        sha256 = text_of(row.get("sha256")).lower()
        path = next((text_of(row[name]) for name in PATHS if text_of(row.get(name))), "")
        if not (sha256 or path):
            parsed.problem(f"{where}: names no image", "give each object a `path` or a `sha256`")
        elif attributes:
            _add_answer(row, (sha256, path, where), [control] if control else attributes, parsed)
        elif label := text_of(row.get("label")):
            more = [text_of(row.get(name)) for name in ("annotator", "time", "settles")]
            parsed.labels.append(RawLabel(sha256, path, label, where, *more))
        elif row.get("label") in (None, ""):
            parsed.skip("objects without a label")
        else:
            parsed.problem(f"{where}: its label is {json.dumps(row['label'])[:40]}", "give each object one name as `label`")


def _add_answer(row: dict[str, Any], place: tuple[str, str, str], attributes: list[str], parsed: ParsedFile) -> None:
    sha256, path, where = place
    answered = [row[f"{name}{_META}"] for name in attributes if isinstance(row.get(f"{name}{_META}"), dict)]
    if len(attributes) > 1:
        text = f"{where}: several label attributes ({', '.join(attributes)})"
        parsed.problem(text, "name the one that is the class: --control NAME")
    elif not answered:
        parsed.skip("objects without an answer")
    elif answered[0].get("human-annotated") != "yes":
        parsed.skip("labels that no person gave (human-annotated)")
    elif label := text_of(answered[0].get("class-name")):
        parsed.labels.append(RawLabel(sha256, path, label, where, time=text_of(answered[0].get("creation-date"))))
    else:
        text = f"{where}: {answered[0].get('type', 'an answer')} without a `class-name`"
        parsed.problem(text, "only single-label image classification has one class for an image")
