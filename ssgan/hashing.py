"""The two hashes that artefacts are checked by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ids_sha256(ids: Iterable[str]) -> str:
    """Hex sha256 over the sorted ids, one per line: two sets of ids are equal if and only if these are."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()
