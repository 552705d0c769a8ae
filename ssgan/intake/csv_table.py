"""A CSV file: ``path`` or ``sha256``, ``label``, and perhaps ``annotator``, ``time``. A queue file is one of these."""

from __future__ import annotations

from pathlib import Path

from ssgan.data.label_csv import read_csv
from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel

_PREDICTED = {"probability", "model_id"}  # columns of `ssgan predict`


def read(path: Path, parsed: ParsedFile) -> None:
    """Add all lines. Raises DataError for a broken file, and for a table of predictions."""
    lines = read_csv(path, "the label file", known=None)
    with path.open(encoding="utf-8-sig") as file:
        header = {cell.strip().strip('"').lower() for cell in file.readline().split(",")}
    if header >= _PREDICTED:
        raise DataError(f"{path} holds what a model said (`ssgan predict`), not people; have the images labeled: `ssgan label`")
    for line in lines:
        if not line.name:
            parsed.skip("lines without a label")
        else:
            where = f"line {line.number}"
            parsed.labels.append(RawLabel(line.sha256, line.path, line.name, where, line.annotator, line.time, line.settles))
