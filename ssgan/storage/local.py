"""A folder of this machine as storage: the same promises as S3, kept by temporary files, fsync and rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssgan import atomic
from ssgan.storage.retries import FaultVerdict, MissingError, judge_local


class LocalObjects:
    """Files below a folder. A file appears whole or not at all, and survives a power cut once the call has returned."""

    def __init__(self, root: Path) -> None:
        self.url, self.root = str(root), root

    def names(self, prefix: str) -> dict[str, int]:
        """Name and size of every file whose name starts with ``prefix`` (which ends with ``/``)."""
        found = {}
        for folder, _, files in os.walk(self.root / prefix, onerror=_unless_missing):
            for path in (Path(folder, file) for file in files):
                try:
                    found[path.relative_to(self.root).as_posix()] = path.stat().st_size
                except FileNotFoundError:  # another process finished with its temporary file
                    continue
        return found

    def upload(self, local: Path, name: str) -> None:
        """Copy a file."""
        with local.open("rb") as source:
            self._write(name, lambda target: shutil.copyfileobj(source, target, 1 << 20))

    def download(self, name: str, local: Path, size: int) -> None:
        """Copy a file back. MissingError when there is none."""
        try:
            shutil.copyfile(self.root / name, local)
        except FileNotFoundError as error:
            raise MissingError(name) from error

    def write(self, name: str, data: bytes) -> None:
        """Store a few bytes."""
        self._write(name, lambda target: target.write(data))

    def create(self, name: str, data: bytes) -> bool:
        """Store a few bytes unless the file exists. Returns whether it did: a hard link is made for one of many, and whole."""
        try:
            self._write(name, lambda target: target.write(data), os.link)
        except FileExistsError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """The bytes of a file. MissingError when there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError as error:
            raise MissingError(name) from error

    def remove(self, name: str) -> None:
        """Remove a file and the folders that this leaves empty."""
        path = self.root / name
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self.root or not _remove_empty(parent):
                return

    def renew(self) -> None:
        """A folder has no credentials."""

    def judge(self, error: BaseException) -> FaultVerdict | None:
        """Verdict on a failure."""
        return judge_local(error)

    def _write(self, name: str, fill: Callable[[Any], Any], publish: Callable[[Path, Path], Any] = os.replace) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced(path, publish) as part, part.open("xb") as file:
            fill(file)


def _unless_missing(error: OSError) -> None:
    """A folder that is not there holds nothing; one that cannot be read must not pass for an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # not empty, or another process was faster
        return False
    return True
