"""Detects the format of a label file by its content, and reads it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssgan.errors import DataError
from ssgan.intake import coco, csv_table, folders, label_studio
from ssgan.intake.raw_label import LabelFormat, ParsedFile
from ssgan.ledger.vote import time_text
from ssgan.provenance import file_sha256


def read_labels(path: Path, kind: LabelFormat | None = None) -> ParsedFile:
    """All labels of a file, or of a folder of class folders.

    Args:
        kind: None: detected by the content.

    Raises:
        DataError: there is nothing at ``path``, or it is not of that kind.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; name a CSV file, a JSON export or a folder of class folders")
    if path.is_dir() != (kind is LabelFormat.folders) and (path.is_dir() or kind is LabelFormat.folders) and kind is not None:
        raise DataError(f"{path} is {'a folder' if path.is_dir() else 'a file'}, which --format {kind.value} cannot be")
    if path.is_dir():
        parsed = ParsedFile(LabelFormat.folders.value, "", folders.newest_change(path))
        folders.read(path, parsed)
        parsed.fingerprint = folders.fingerprint(parsed.labels)
        return parsed
    content = None if kind is LabelFormat.csv else _content(path, required=kind is not None)
    kind = kind or _guess(path, content)
    parsed = ParsedFile(kind.value, file_sha256(path), time_text(datetime.fromtimestamp(path.stat().st_mtime, UTC)))
    if kind is LabelFormat.csv:
        csv_table.read(path, parsed)
        return parsed
    try:
        (coco if kind is LabelFormat.coco else label_studio).read(content, parsed)
    except (AttributeError, TypeError) as error:  # an object where a list should be, and the like
        raise DataError(f"{path} is {kind.value} JSON, but not what this format should be ({error}); export it again") from None
    return parsed


def _guess(path: Path, content: Any) -> LabelFormat:
    if content is None:
        return LabelFormat.csv
    if coco.recognizes(content):
        return LabelFormat.coco
    if label_studio.recognizes(content):
        return LabelFormat.label_studio
    raise DataError(f"{path} is JSON, but neither an export of Label Studio nor COCO; name its kind with --format")


def _content(path: Path, required: bool) -> Any:
    """The content of a JSON file, or of a table that Label Studio wrote; None where it is neither, and need not be."""
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"[", b"{"):
        found = _table(text)
        if found is not None or not required:
            return found
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); export it again") from None


def _table(text: bytes) -> list[dict[str, Any]] | None:
    try:
        return label_studio.table(text.decode())
    except (UnicodeDecodeError, csv.Error):  # the reader of CSV files reports the error
        return None
