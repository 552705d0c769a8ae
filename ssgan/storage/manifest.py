"""``manifest.json``: what a stored folder consists of. It is the last object written and the first one removed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple

from ssgan.errors import StorageError
from ssgan.storage.retries import DamagedError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


class Entry(NamedTuple):
    """One file of a folder."""

    name: str  # relative POSIX path
    size: int  # bytes
    sha256: str  # hex digits


def dump(entries: list[Entry]) -> bytes:
    """The bytes of ``manifest.json``, with a digest of themselves: a damaged manifest must not pass for a damaged file."""
    files = [entry._asdict() for entry in entries]
    return json.dumps({"format_version": FORMAT_VERSION, "files": files, "digest": _digest(files)}, indent=1).encode()


def parse(data: bytes, where: str) -> list[Entry]:
    """Read ``manifest.json``; ``where`` names it in messages.

    Raises DamagedError when it is not what was written, StorageError when it is from another version or names a file
    outside of its folder.
    """
    try:
        raw = json.loads(data)
        version, files, digest = raw["format_version"], raw["files"], raw["digest"]
        entries = [Entry(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in files]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{where} arrived damaged ({type(error).__name__})") from None
    if digest != _digest(files):
        raise DamagedError(f"{where} arrived damaged (its digest is wrong)")
    if version != FORMAT_VERSION:
        raise StorageError(f"{where} has format version {version}, this ssgan reads {FORMAT_VERSION}; use a matching one")
    for entry in entries:
        check_name(entry.name, file=True)
    return entries


def check_name(name: str, file: bool = False) -> str:
    """``name`` if it is a path that stays where it belongs, on every kind of storage; else StorageError."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\\x00-\x1f\x7f]", name):
        raise StorageError(f"{name!r} is no name for storage: it has to be a relative path without `..`; rename it")
    if file and parts[-1] == MANIFEST:
        raise StorageError(f"{name!r} cannot be stored: storage keeps its own {MANIFEST}; rename it")
    return name


def _digest(files: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
