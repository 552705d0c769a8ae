"""The hashes that artefacts are checked by, and what two descriptions of one thing differ in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ids_sha256(ids: Iterable[str]) -> str:
    """Hex sha256 over the sorted ids, one per line: two sets of ids are equal if and only if these are."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()


def json_sha256(value: Any) -> str:
    """Hex sha256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, old value, new value) of every leaf in which two nested dictionaries differ; None where one lacks it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for k in [*old, *(k for k in new if k not in old)]:
            yield from differences(old.get(k), new.get(k), f"{key}.{k}" if key else k)
    elif old != new:
        yield key, old, new


def disagreements(theirs: Any, ours: Any) -> list[str]:
    """``differences`` as sentences such as "train.seed is 1 there and 2 here"."""
    return [f"{key} is {there!r} there and {here!r} here" for key, there, here in differences(theirs, ours)]
