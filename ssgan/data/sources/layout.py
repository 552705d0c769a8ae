"""What folders mean: class, official split, hidden or nothing. Shared by local folders and S3 prefixes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from ssgan.errors import DataError
from ssgan.names import MORE, class_name, is_placeholder, is_pool
from ssgan.wording import counted

_SPLIT = re.compile(rf"(?:seg_)?(train|training|val|valid|validation|test|testing){MORE}", re.IGNORECASE)
# trainA, my_test: one of them says nothing, but train and test among the classes are most likely splits
_LIKE_SPLIT = re.compile(r"(?<![A-Za-z])([Tt]rain|TRAIN|[Tt]est|TEST|[Vv]al|VAL)(?:ing|id|idation)?(?![a-z])")
_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "lost+found"}
_SYSTEM |= {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"}  # of network drives


class Layout(NamedTuple):
    """How to read the paths of a source."""

    kind: str  # classes, split_classes or flat
    classes: list[str]
    note: str  # one sentence that says what was decided, and why


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not meant to be seen: .DS_Store, .git, Thumbs.db, __MACOSX, ..."""
    return name[:1] == "." or name.lower() in _SYSTEM


@lru_cache(maxsize=4096)
def split_of(name: str) -> str | None:
    """The official split that a folder is called after, in any usual spelling: "train" or "test"; None: no split.

    val belongs to the training images: ssgan cuts its own val, and only test is official.
    """
    found = _SPLIT.fullmatch(name)
    return None if found is None else "test" if found[1].lower().startswith("test") else "train"


def some_hidden(names: Sequence[str]) -> bool:
    """Whether any of them is: much faster than to ask for each."""
    return "." in {name[:1] for name in names} or not _SYSTEM.isdisjoint(map(str.lower, names))


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
        classes = natural({class_name(name) for name in folders if not is_pool(name)})
        if not classes:
            raise DataError(f"{where} holds no class folder; use `layout: flat` for images without classes")
        return Layout(kind, classes, f"{how} classes: {_listed(classes)}")
    splits = [name for name in folders if split_of(name)]
    if not splits:
        raise DataError(f"{where} holds no folder `train` or `test`, which `layout: split_classes` needs")
    classes = natural({class_name(name) for split in splits for name in inner(split) if not is_pool(name)})
    others = natural([name for name in folders if not split_of(name) and not is_pool(name)])
    ignored = f"; images in {_listed(others)} get neither class nor split" if others else ""
    return Layout(kind, classes, f"{how} split_classes: official split in {_listed(splits)}, {_listed(classes)}{ignored}")


def _guess(folders: Collection[str], inner: Callable[[str], Collection[str]], where: str) -> str:
    """classes, split_classes or flat. Raises DataError where the names allow several."""
    splits = [name for name in folders if split_of(name)]
    trained, tested = ([name for name in splits if split_of(name) == kind] for kind in ("train", "test"))
    named = [name for name in folders if split_of(name) is None and not is_pool(name)]
    if trained and (tested or not named):
        _check_splits(splits, inner, where)
        return "split_classes"
    if len(folders) > 1:
        _check_classes(splits, named, inner, where)
        return "classes"
    for name in folders:
        if inner(name):
            raise DataError(
                f"{where} holds one folder, `{name}`, which holds folders itself: point data.source at `{name}`, or set "
                "`layout: flat` if there are no classes"
            )
    return "flat"


def _check_splits(splits: Sequence[str], inner: Callable[[str], Collection[str]], where: str) -> None:
    """Raise DataError where a folder within a split may be no class."""
    for split in splits:
        for name in natural(inner(split)):
            if split_of(name):
                raise DataError(
                    f"{where}: `{split}` holds `{name}`, which may be a split or a class; move what is in it one folder up, "
                    "or, if it is a class, set `layout: split_classes`"
                )
            _check_name(f"{split}/{name}", where)


def _check_classes(splits: Sequence[str], named: Sequence[str], inner: Callable[[str], Collection[str]], where: str) -> None:
    """Raise DataError where a top folder may be no class."""
    if splits:
        raise _ask(where, f"`{splits[0]}` may be a split or a class")
    for name in named:
        _check_name(name, where)
    like = {found[1].lower(): name for name in named if (found := _LIKE_SPLIT.search(name))}
    if "train" in like and len(like) > 1:
        raise _ask(where, f"{' and '.join(f'`{name}`' for name in like.values())} may be splits or classes")
    if _same_inside(named, inner):
        raise _ask(where, f"{_listed(named)} hold the same folders, so these may be the classes")


def _check_name(path: str, where: str) -> None:
    name = path.rpartition("/")[2]
    if is_placeholder(name) and not is_pool(name):
        raise _ask(where, f"the folder `{path}` may be a class, or says that there is no label (then call it `unlabeled`)")


def _same_inside(folders: Sequence[str], inner: Callable[[str], Collection[str]]) -> bool:
    """Whether all of at least two folders hold the same folders, and more than one; the first one mostly says no."""
    if len(folders) < 2 or len(first := set(inner(folders[0]))) < 2:
        return False
    return all(set(inner(name)) == first for name in folders[1:])


def _ask(where: str, question: str) -> DataError:
    return DataError(
        f"{where}: {question}; say it with `layout: classes` (each top folder is a class), `layout: split_classes` (train and "
        "test, classes below) or `layout: flat` (no classes) in data.source (`ssgan init --layout`), or rename the folders"
    )


def _listed(names: Collection[str], most: int = 6) -> str:
    shown = ", ".join(f"`{name}`" for name in list(names)[:most])
    return f"{counted(len(names), 'folder')} ({shown}, ...)" if len(names) > most else shown or "no class folder"


def place(path: str, kind: str) -> tuple[str | None, str | None]:
    """(folder_class, official_split) of a file by its relative path.

    Deeper folders belong to the class above them; a file that lies above the class folders has no class.
    """
    if kind == "flat":
        return None, None
    *folders, _ = parts_of(path)
    if kind == "classes":
        return (class_name(folders[0]) if folders and not is_pool(folders[0]) else None), None
    if not folders:
        return None, None
    if is_pool(folders[0]):
        return None, "train"
    split = split_of(folders[0])
    has_class = split is not None and len(folders) > 1 and not is_pool(folders[1])
    return (class_name(folders[1]) if has_class else None), split


def parts_of(path: str) -> list[str]:
    """The parts of a path or of a key; in S3 some may be empty, which means nothing."""
    return [part for part in path.split("/") if part] or [""]


def class_folder(path: str, kind: str) -> str:
    """The folder that gives a file its class, for a file that has one."""
    return "/".join(parts_of(path)[: 1 if kind == "classes" else 2])
