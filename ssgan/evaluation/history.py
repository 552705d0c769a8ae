"""The training history as rows: ``runs/train/{main,twin}/history.jsonl``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ssgan.errors import CheckpointError


def read(run: Path, role: str) -> list[dict[str, Any]]:
    """All lines of one history, in order; no file: no lines.

    Raises:
        CheckpointError: a line that is not a JSON object with a step.
    """
    path = run / role / "history.jsonl"
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            row["step"] = int(row["step"])
        except (ValueError, KeyError, TypeError):
            message = f"{path} line {number} is not a JSON object with a step; run `dvc repro train` again"
            raise CheckpointError(message) from None
        rows.append(row)
    return rows


def val_errors(rows: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """(step, error rate) of the lines with a validation."""
    pairs = [(row["step"], row.get("val_error_rate")) for row in rows]
    return [(step, float(error)) for step, error in pairs if error is not None and math.isfinite(error)]
