"""What of a folder of images DVC cannot hash, and which of its changes DVC does not see.

``ingest`` takes what it can and names the rest. DVC hashes a whole folder or stops: at a name that is no UTF-8, a link to
nothing, a file that it may not read; at a named pipe it waits for ever. Links to folders it does not enter.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ssgan.config import Source, yaml12
from ssgan.data.sources import text
from ssgan.errors import DataError

SHOWN = 20  # in a line
PIPELINE, STAGE = "dvc.yaml", "ingest"
NAME, UNREADABLE = "its name is not UTF-8", "this user may not read it"


class Unhashable(NamedTuple):
    """One file. why: for people; mend: a command of a shell."""

    path: str
    why: str
    mend: str

    def describe(self) -> str:
        """In text: names may hold any bytes."""
        return f"{text(self.path)} ({self.why})"


class DvcFiles(NamedTuple):
    """What a folder holds. linked: links to folders, with their targets."""

    unhashable: list[Unhashable]
    linked: list[tuple[str, str]]


def local_folder(source: Source | None) -> str | None:
    """The folder that the stage `ingest` depends on; None: it is none, or written by the stage itself."""
    return source.path if source is not None and source.kind == "folder" else None


def look_through(folder: str, project: Path) -> DvcFiles:
    """All files below a folder that DVC would hash. ``project``: the folder of the project, for `.dvcignore`."""
    found = DvcFiles([], [])
    for path, is_folder, why in _odd(os.fspath(folder)):
        if is_folder:
            found.linked.append((path, os.path.realpath(path)))
        else:
            found.unhashable.append(Unhashable(path, why, _mend(path, why)))
    if found.unhashable or found.linked:
        ignored = _ignored(project)
        return DvcFiles(
            [one for one in found.unhashable if not ignored(one.path)],
            [one for one in found.linked if not ignored(one[0])],
        )
    return found


def listed(items: list[str], between: str) -> str:
    """The first ones, and how many more."""
    more = [f"and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return between.join([*items[:SHOWN], *more])


def require_hashable(folder: str, project: Path) -> None:
    """Raises DataError where DVC would stop or wait for ever."""
    bad = look_through(folder, project).unhashable if os.path.isdir(folder) else []
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise DataError(f"DVC cannot hash {bad[0].describe()}{more}; `{bad[0].mend}`, and `ssgan doctor` lists all of them")


def unwatched(linked: list[tuple[str, str]], project: Path) -> list[tuple[str, str]]:
    """Links whose target is not among the deps of `ingest`."""
    try:
        stages = yaml12.read((project / PIPELINE).read_text(encoding="utf-8"), PIPELINE).get("stages") or {}
    except OSError:
        return linked
    deps = [dep for dep in stages.get(STAGE, {}).get("deps", []) if isinstance(dep, str) and "${" not in dep]
    watched = [os.path.realpath(project / dep) for dep in deps]
    return [one for one in linked if not any(f"{one[1]}/".startswith(f"{dep}/") for dep in watched)]


def _odd(folder: str) -> Iterator[tuple[str, bool, str]]:
    """(path, whether it is a link to a folder, why DVC cannot hash it) of all entries that are not plain files and folders."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # gone meanwhile
            yield folder, False, UNREADABLE
        return
    for entry in listed:
        if not _is_utf8(entry.name):
            yield entry.path, False, NAME
        elif entry.is_dir(follow_symlinks=False):
            yield from _odd(entry.path)
        elif entry.is_symlink() and not os.path.exists(entry.path):
            yield entry.path, False, "a link to nothing"
        elif entry.is_dir():
            yield entry.path, True, ""
        elif not entry.is_file():
            yield entry.path, False, "a pipe, a socket or a device"
        elif not os.access(entry.path, os.R_OK):
            yield entry.path, False, UNREADABLE


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mend(path: str, why: str) -> str:
    if why == NAME:
        parent, name = os.path.split(path)
        better = os.path.join(parent, os.fsencode(name).decode("latin-1"))
        return f"mv {_quoted(path)} {_quoted(better)}"
    if why == UNREADABLE:
        return f"chmod u+rX {_quoted(path)}"
    return f"rm {_quoted(path)}"


def _quoted(path: str) -> str:
    """For a shell; bytes that are no text as bash and zsh read them."""
    if _is_utf8(path):
        return shlex.quote(path)
    escaped = path.replace("\\", r"\\").replace("'", r"\'").encode("utf-8", "surrogateescape")
    return "$'" + escaped.decode("utf-8", "backslashreplace") + "'"


def _ignored(project: Path) -> Callable[[str], bool]:
    """Whether `.dvcignore` leaves out a path, or a folder above it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(project)) as repo:
            rules = repo.dvcignore
    except DvcException:  # no project of DVC; another check says so
        return lambda path: False
    return lambda path: rules.is_ignored_file(path) or any(rules.is_ignored_dir(str(one)) for one in Path(path).parents)
