"""How long each stage took the last time, and each training: in ``.ssgan``, outside of git and of what DVC hashes.

Kept apart from metrics, which must be the same whenever the same thing is run.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from ssgan import atomic

FILE = Path(".ssgan/seconds.json")  # by stage
RUNS = Path(".ssgan/runs.json")  # by id of the run


@contextlib.contextmanager
def timed(stage: str, file: Path = FILE) -> Iterator[None]:
    """Note how long the block took, if it comes to its end."""
    start = time.monotonic()
    yield
    note(stage, time.monotonic() - start, file)


def note(name: str, took: float, file: Path = FILE) -> None:
    """Note how long something took, in seconds."""
    known = seconds(file) | {name: round(took, 1)}
    file.parent.mkdir(exist_ok=True)
    atomic.write_text(file, json.dumps(known, indent=1, sort_keys=True) + "\n")


def seconds(file: Path = FILE) -> dict[str, float]:
    """By name; empty where nothing was noted, or nothing that can be read: it is only an estimate."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {name: float(value) for name, value in found.items()} if isinstance(found, dict) else {}
