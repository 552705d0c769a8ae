"""What folders mean: class, official split, hidden or nothing. Shared by local folders and S3 prefixes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from ssgan.errors import DataError

# val belongs to the training images: ssgan cuts its own val, and only `test` is official
SPLITS = {"train": "train", "val": "train", "valid": "train", "validation": "train", "test": "test"}
UNLABELED = "unlabeled"  # a folder of this name, where a class folder or a split could be, holds images without a class
_SYSTEM = {"thumbs.db", "desktop.ini", "__macosx"}


class Layout(NamedTuple):
    """How to read the paths of a source."""

    kind: str  # classes, split_classes or flat
    classes: list[str]
    note: str  # one sentence that says what was decided, and why


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not meant to be seen: .DS_Store, .git, Thumbs.db, __MACOSX, ..."""
    return name[0] == "." or name.lower() in _SYSTEM


def some_hidden(names: Sequence[str]) -> bool:
    """Whether any of them is: much faster than to ask for each."""
    return "." in {name[0] for name in names} or not _SYSTEM.isdisjoint(map(str.lower, names))


def natural(names: Collection[str]) -> list[str]:
    """Sorted so that class 10 comes after class 9, and numbers before letters."""
    return sorted(names, key=lambda name: ([_rank(part) for part in re.findall(r"\d+|\D+", name)], name))


def _rank(part: str) -> tuple[bool, int, str]:
    number = part.isdecimal()
    return not number, int(part) if number else 0, part


def decide(kind: str, folders: Collection[str], inner: Callable[[str], Collection[str]], where: str) -> Layout:
    """The layout of a source.

    Args:
        kind: the configured one; ``auto`` decides by the names of the folders.
        folders: every visible folder at the top.
        inner: the visible folders in one of them; asked only where it matters, for it may mean to list a million files.
        where: the source, for messages.

    Raises:
        DataError: the folders contradict ``kind``, or allow no decision.
    """
    if kind == "auto":
        kind = _guess(folders, inner, where)
        how = "layout auto found"
    else:
        how = "layout is"
    if kind == "flat":
        return Layout(kind, [], f"{how} flat: no class folders in {where}")
    if kind == "classes":
        classes = natural([name for name in folders if name != UNLABELED])
        if not classes:
            raise DataError(f"{where} holds no class folder; use `layout: flat` for images without classes")
        return Layout(kind, classes, f"{how} classes: {_listed(classes)}")
    splits = [name for name in SPLITS if name in folders]
    if not splits:
        raise DataError(f"{where} holds no folder `train` or `test`, which `layout: split_classes` needs")
    classes = natural({name for split in splits for name in inner(split)} - {UNLABELED})
    others = natural([name for name in folders if name not in SPLITS and name != UNLABELED])
    ignored = f"; images in {_listed(others)} get neither class nor split" if others else ""
    return Layout(kind, classes, f"{how} split_classes: official split in {_listed(splits)}, {_listed(classes)}{ignored}")


def _guess(folders: Collection[str], inner: Callable[[str], Collection[str]], where: str) -> str:
    if "train" in folders and ("test" in folders or set(folders) <= {*SPLITS, UNLABELED}):
        return "split_classes"
    if len(folders) > 1:
        return "classes"
    for name in folders:
        if inner(name):
            raise DataError(
                f"{where} holds one folder, `{name}`, which holds folders itself: point data.source at `{name}`, or set "
                "`layout: flat` if there are no classes"
            )
    return "flat"


def _listed(names: Collection[str], most: int = 6) -> str:
    shown = ", ".join(f"`{name}`" for name in list(names)[:most])
    return f"{len(names)} folders ({shown}, ...)" if len(names) > most else shown or "no class folder"


def place(path: str, kind: str) -> tuple[str | None, str | None]:
    """(folder_class, official_split) of a file by its relative path.

    Deeper folders belong to the class above them; a file that lies above the class folders has no class.
    """
    if kind == "flat":
        return None, None
    parts = path.split("/", 2)
    if kind == "classes":
        return (parts[0] if len(parts) > 1 and parts[0] != UNLABELED else None), None
    if len(parts) == 1:
        return None, None
    if parts[0] == UNLABELED:
        return None, "train"
    split = SPLITS.get(parts[0])
    has_class = split is not None and len(parts) > 2 and parts[1] != UNLABELED
    return (parts[1] if has_class else None), split
