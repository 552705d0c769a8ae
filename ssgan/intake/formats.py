"""Detects the format of a label file by its content, and reads it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssgan.errors import DataError
from ssgan.intake import coco, csv_table, cvat, folders, json_rows, label_studio, not_read
from ssgan.intake.options import USUAL, Fields
from ssgan.intake.raw_label import LabelFormat, ParsedFile
from ssgan.ledger.vote import time_text
from ssgan.provenance import file_sha256

LOOKED_AT = 20  # JSON files in a folder


def read_labels(path: Path, kind: LabelFormat | None = None, fields: Fields = USUAL) -> ParsedFile:
    """All labels of a file, or of a folder of class folders.

    Args:
        kind: None: detected by the content.
        fields: for formats that may hold several answers.

    Raises:
        DataError: there is nothing at ``path``, it is not of that kind, or of one that is not read.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; name a CSV file, a JSON export or a folder of class folders")
    if path.is_dir() != (kind is LabelFormat.folders) and (path.is_dir() or kind is LabelFormat.folders) and kind is not None:
        raise DataError(f"{path} is {'a folder' if path.is_dir() else 'a file'}, which --format {kind.value} cannot be")
    if path.is_dir():
        _refuse_exports(path)
        return folders.read(path, fields.layout)
    if not path.is_file():
        raise DataError(f"{path} is a pipe or a device; name a file")
    return _read_file(path, kind, fields)


def _refuse_exports(folder: Path) -> None:
    """Raise DataError for a folder that a labeling tool exported: its labels stand in a file, not in the names of folders."""
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])[:LOOKED_AT]:
        try:
            kind = guess(path, json.loads(path.read_bytes()))
        except (ValueError, OSError):  # SsganError is a ValueError
            continue
        raise DataError(f"{folder} holds {path.relative_to(folder)}, which is {kind.value}; import that file, or move it away")


def _read_file(path: Path, kind: LabelFormat | None, fields: Fields) -> ParsedFile:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if kind is None and cvat.recognizes(data):
        kind = LabelFormat.cvat
    elif sentence := not_read.of_bytes(path, data):
        raise DataError(sentence)
    by_bytes = kind in (LabelFormat.csv, LabelFormat.cvat)
    content: Any = None if by_bytes else _content(path, data.lstrip(), required=kind is not None)
    kind = kind or guess(path, content)
    parsed = ParsedFile(kind.value, file_sha256(path), time_text(datetime.fromtimestamp(path.stat().st_mtime, UTC)))
    try:
        if kind is LabelFormat.csv:
            csv_table.read(path, parsed)
        elif kind is LabelFormat.cvat:
            cvat.read(data, parsed)
        elif kind is LabelFormat.coco:
            coco.read(content, parsed)
        elif kind is LabelFormat.json_rows:
            json_rows.read(content, fields.control, parsed)
        else:
            label_studio.read(content, fields, parsed)
    except (AttributeError, TypeError) as error:  # an object where a list should be, and the like
        raise DataError(f"{path} is {kind.value} JSON, but not what this format should be ({error}); export it again") from None
    return parsed


def guess(path: Path, content: Any) -> LabelFormat:
    """The format of parsed JSON; None is CSV. Raises DataError where it is none that is read."""
    if content is None:
        return LabelFormat.csv
    if coco.recognizes(content):
        return LabelFormat.coco
    if label_studio.recognizes(content):
        return LabelFormat.label_studio
    if json_rows.recognizes(content):
        return LabelFormat.json_rows
    raise DataError(not_read.of_json(path, content))


def _content(path: Path, text: bytes, required: bool) -> Any:
    """The content of a JSON file, or of a table that Label Studio wrote; None where it is neither, and need not be."""
    if text[:1] not in (b"[", b"{"):
        found = _table(text)
        if found is not None or not required:
            return found
    try:
        found = json.loads(text)
        return [found] if json_rows.recognizes([found]) else found  # a single line
    except (ValueError, RecursionError) as error:
        rows = json_rows.parse_lines(text)
        if rows is None:
            raise DataError(f"{path} is not valid JSON ({error}); export it again") from None
        return rows


def _table(text: bytes) -> list[dict[str, Any]] | None:
    try:
        return label_studio.table(text.decode())
    except (UnicodeDecodeError, csv.Error):  # the reader of CSV files reports the error
        return None
