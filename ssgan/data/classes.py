"""The registry of classes: a name gets an id once, and keeps it for ever.

``classes.json`` holds ``{"version": 1, "classes": ["cat", "dog"]}``; the id of a class is its position. The list only
ever grows at its end: a class that lost its last image keeps its id, so that a checkpoint of last year and the labels of
today still mean the same thing. Renaming a class is not supported: it would be a new class.

The registry lies at the root of the project, under git, and outside of everything that DVC deletes before a run (in
``dvc.yaml`` it is an output with ``persist: true`` and ``cache: false``). Each split keeps a copy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ssgan.errors import DataError

VERSION = 1


def load(path: Path | None) -> list[str]:
    """The names in order of their ids; empty where there is no file yet.

    Raises:
        DataError: if the file is not a registry.
    """
    if path is None or not path.exists():
        return []
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error}); restore it from git: it holds the permanent class ids") from None
    names = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f'{path} has no list `classes` of names; it must read {{"version": 1, "classes": ["cat", "dog"]}}')
    if raw.get("version") != VERSION:
        raise DataError(f"{path} has `version` {raw.get('version')!r}, this code reads {VERSION}; restore it from git")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path} names {twice[:5]} twice in `classes`; keep the first of each (a class has one id)")
    return names


def extend(previous: Sequence[str], names: Iterable[str]) -> list[str]:
    """``previous``, and behind it the names that are new, sorted."""
    return [*previous, *sorted(set(names) - set(previous))]


def similar(classes: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, spaces and punctuation: most likely one class spelled in two ways."""
    spelled: dict[str, list[str]] = {}
    for name in classes:
        spelled.setdefault("".join(c for c in name.casefold() if c.isalnum()) or name, []).append(name)
    return [names for names in spelled.values() if len(names) > 1]


def to_json(classes: Sequence[str]) -> str:
    """The text of ``classes.json``: one class per line, so that git merges and shows additions well."""
    return json.dumps({"version": VERSION, "classes": list(classes)}, indent=1, ensure_ascii=False) + "\n"


def save(path: Path, classes: Sequence[str]) -> None:
    """Write the registry in one step (a reader sees the old or the new file, never half of one).

    Raises:
        DataError: if an id of the file on disk would change or vanish.
    """
    known = load(path)
    if list(classes[: len(known)]) != known:
        raise DataError(f"{path} already gives ids to {known}, which {list(classes)} would change; class ids are append-only")
    text = to_json(classes)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
