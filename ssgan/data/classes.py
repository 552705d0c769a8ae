"""The registry of classes: a name gets an id once, and keeps it forever.

``classes.json`` holds ``{"version": 1, "classes": ["cat", "dog"]}``; the id of a class is its position. The list only
ever grows at its end: a class that lost its last image keeps its id, so that a checkpoint of last year and the labels of
today still mean the same thing.

A label ledger can rename a class (the name at its position changes; ``former_names`` keeps the old ones, the first of which
tells that it is the same class) and merge one into another (its position stays, is ``retired``, and no image has it).

The registry lies at the root of the project, under git, and outside of everything that DVC deletes before a run (in
``dvc.yaml`` it is an output with ``persist: true`` and ``cache: false``). Each split keeps a copy.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssgan import atomic
from ssgan.errors import DataError
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.names import class_name, whole_number

VERSION = 1
# between letters, or a letter and a digit: no difference to people. Not between digits, and not at either end
_FILLING = re.compile(r"(?<=[^\W\d_])[\s_.,'()-]+(?=\w)|(?<=\d)[\s_.,'()-]+(?=[^\W\d_])|(?<=\w)[.)]$|^\((?=\w)")


@dataclass(frozen=True)
class ClassRegistry:
    """names: today's, in order of the ids. former: earlier names of a class, oldest first. retired: classes without a use."""

    names: list[str] = field(default_factory=list)
    former: dict[str, list[str]] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)

    @property
    def first(self) -> list[str]:
        """What each class was called first: this never changes."""
        return [self.former.get(name, [name])[0] for name in self.names]

    def grown(self, names: Iterable[str], taxonomy: Taxonomy) -> ClassRegistry:
        """With the classes ``names`` (today's), of which new ones come behind, and everything called as it is today.

        Raises:
            DataError: if two ids would have one name.
        """
        first = extend(self.first, map(taxonomy.first, names))
        chains = [taxonomy.names(one) for one in first]
        today = [chain[-1] for chain in chains]
        twice = sorted({name for name in today if today.count(name) > 1})
        if twice:
            raise DataError(
                f"a renaming gives the name {twice[0]!r}, which another class has already; take it back with "
                "`ssgan labels undo ID` (`ssgan labels status` shows its id), and use `ssgan labels merge`"
            )
        former = {chain[-1]: chain[:-1] for chain in chains if len(chain) > 1}
        return ClassRegistry(today, former, [name for name in today if name in taxonomy.merged])


def load(path: Path | None) -> ClassRegistry:
    """The registry of a file; empty where there is none yet.

    Raises:
        DataError: if the file is not a registry.
    """
    if path is None or not path.exists():
        return ClassRegistry()
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
    former, retired = _history(path, raw, set(names))
    now = _in_one_form(names)
    befores = {now[name]: [class_name(old) for old in olds] for name, olds in former.items()}
    return ClassRegistry([now[name] for name in names], befores, [now[name] for name in retired])


def _in_one_form(names: list[str]) -> dict[str, str]:
    """Each name in the form that is asked for today. Where two become one, as older registries may have them, both stay."""
    users = Counter(map(class_name, names))
    return {name: form if (form := class_name(name)) and users[form] == 1 else name for name in names}


def _history(path: Path, raw: dict[str, Any], names: set[str]) -> tuple[dict[str, list[str]], list[str]]:
    """(former, retired) of a registry; both may be left out."""
    former, retired = raw.get("former_names", {}), raw.get("retired", [])
    lists = [*former.values(), retired] if isinstance(former, dict) and all(former.values()) else [None]
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists):
        raise DataError(f"{path}: `former_names` must be lists of names, `retired` one list; restore the file from git")
    if not names >= {*former, *retired}:
        raise DataError(f"{path}: `former_names` and `retired` name what is not in `classes`; restore the file from git")
    return former, retired


def extend(previous: Sequence[str], names: Iterable[str]) -> list[str]:
    """``previous``, and behind it the names that are new, sorted."""
    return [*previous, *sorted(set(names) - set(previous))]


def similar(classes: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, spaces and punctuation: most likely one class spelled in two ways.

    Punctuation counts where it is all there is to tell names apart: in numbers (1.0 and 10, -5 and 5), and symbols (C and C++).
    1.0 is 1.
    """
    spelled: dict[str, list[str]] = {}
    for name in classes:
        spelled.setdefault(whole_number(name) or _FILLING.sub("", name.casefold()) or name, []).append(name)
    return [names for names in spelled.values() if len(names) > 1]


def to_json(registry: ClassRegistry) -> str:
    """The text of ``classes.json``: one class per line, so that git merges and shows additions well."""
    value: dict[str, Any] = {"version": VERSION, "classes": registry.names}
    value |= {"former_names": registry.former} if registry.former else {}
    value |= {"retired": registry.retired} if registry.retired else {}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def save(path: Path, registry: ClassRegistry) -> None:
    """Write the registry in one step (a reader sees the old or the new file, never half of one).

    Raises:
        DataError: if an id of the file on disk would change or vanish.
    """
    known = load(path).first
    if registry.first[: len(known)] != known:
        raise DataError(f"{path} already gives ids to {known}, which {registry.first} would change; class ids are append-only")
    text = to_json(registry)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)
