"""A CSV file: ``path`` or ``sha256``, ``label``, and perhaps ``annotator``, ``time``. A queue file is one of these."""

from __future__ import annotations

from pathlib import Path

from ssgan.data.label_csv import read_csv
from ssgan.intake.raw_label import ParsedFile, RawLabel


def read(path: Path, parsed: ParsedFile) -> None:
    """Add all lines. Raises DataError for a broken file."""
    for line in read_csv(path, "the label file"):
        if not line.name:
            parsed.skip("lines without a label")
        else:
            where = f"line {line.number}"
            parsed.labels.append(RawLabel(line.sha256, line.path, line.name, where, line.annotator, line.time, line.settles))
