"""A local folder of images. Read only: nothing in it is ever written, moved or touched."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from functools import cached_property
from operator import attrgetter

from ssgan.data.rejections import Rejected
from ssgan.data.sources import Item, Problem
from ssgan.data.sources.layout import Layout, decide, is_hidden, place
from ssgan.errors import DataError, StorageError

_FIRST_READ = 1 << 16  # bytes; most small files end within, and then need no call that asks for their size
RACY_NS = 2_000_000_000  # a file that changed so shortly before is read again next time: times of FAT have steps of 2 s
_name = attrgetter("name")
_item = tuple.__new__  # what ``Item(...)`` does, in half the time: a delta ingest does little else than listing
_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO}


class Folder:
    """A folder and everything below it; symbolic links are followed. Raises DataError where it does not exist."""

    threads = 0  # the page cache needs no more threads than there are cores

    def __init__(self, path: str, layout: str = "auto") -> None:
        self.folder = os.fspath(path)
        self.name = self.folder
        self._kind = layout
        if not os.path.isdir(self.folder):
            raise DataError(
                f"data.source.path is {self.folder!r}, which is not a folder; put the raw images there or correct it"
            )

    @cached_property
    def _layout(self) -> Layout:
        top = _subfolders(self.folder)
        return decide(self._kind, top, lambda name: _subfolders(f"{self.folder}/{name}"), self.folder)

    @property
    def notes(self) -> list[str]:
        return [self._layout.note]

    def classes(self) -> list[str]:
        return self._layout.classes

    def items(self) -> Iterator[Item]:
        return _walk(self.folder, "", self._layout.kind, (os.path.realpath(self.folder),), time.time_ns() - RACY_NS)

    def read(self, item: Item, max_bytes: int) -> bytes:
        try:
            return read_file(f"{self.folder}/{item.path}", max_bytes)
        except OSError as error:
            if not os.path.isdir(self.folder):
                raise StorageError(f"{self.folder} has gone while it was read; is it still mounted?") from error
            if error.errno == errno.ENOENT:
                raise Rejected("vanished", "it was listed, but is gone") from None
            if error.errno in _OF_THE_FILE:
                raise Rejected("unreadable", f"{error.strerror}") from None
            raise StorageError(f"{self.folder}/{item.path} cannot be read ({error}); fix the storage and run again") from error


def read_file(path: str, max_bytes: int) -> bytes:
    """All bytes of a file, by as few system calls as possible. Raises OSError, Rejected (too_large_file)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        data = os.read(handle, _FIRST_READ)
        if len(data) < _FIRST_READ:  # only the end of a regular file makes a read short
            if len(data) > max_bytes:
                raise _too_large(len(data), max_bytes)
            return data
        size = os.fstat(handle).st_size
        if size > max_bytes:
            raise _too_large(size, max_bytes)
        parts = [data]
        while data := os.read(handle, max(_FIRST_READ, size - _FIRST_READ)):
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(handle)


def _too_large(size: int, max_bytes: int) -> Rejected:
    return Rejected("too_large_file", f"{size} bytes; data.max_file_bytes is {max_bytes}")


def _subfolders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if _kind(entry) in ("folder", "link"))
    except PermissionError:
        return []  # the listing reports it as unreadable


def _walk(root: str, below: str, layout: str, chain: tuple[str, ...], settled: int) -> Iterator[Item]:
    """Files below a folder, folder by folder in the order of names.

    ``chain`` is how links led here, as real paths; ``settled`` the time before which a file must have changed last, in ns.
    """
    where = place(below + "file", layout)  # the same for all files of a folder
    try:
        with os.scandir(f"{root}/{below}") as found:
            entries = sorted(found, key=_name)
    except OSError as error:
        if not below:
            raise StorageError(f"{root} cannot be listed ({error.strerror}); give this user the right to read it") from None
        yield Item(below.rstrip("/"), None, *where, ("unreadable", f"the folder cannot be listed: {error.strerror}"))
        return
    for entry in entries:
        kind, path = _kind(entry), below + entry.name
        if kind == "file":
            size, stamp = _stat(entry, settled)
            yield _item(Item, (path, size, *where, None, stamp))
        elif kind == "folder":
            yield from _walk(root, path + "/", layout, chain, settled)
        elif kind == "link":
            target = os.path.realpath(entry.path)
            if any(f"{real}/".startswith(f"{target}/") for real in (*chain, os.path.realpath(f"{root}/{below}"))):
                yield Item(path, None, *where, ("link_loop", f"a symbolic link to {target!r}, which contains it"))
            else:
                yield from _walk(root, path + "/", layout, (*chain, target), settled)
        else:
            yield Item(path, None, *where, _problem(entry, kind))


def _stat(entry: os.DirEntry[str], settled: int) -> tuple[int | None, str | None]:
    """Size and stamp of a file; no stamp while a further change might leave the times as they are.

    ctime and not only mtime: programs set mtime to what they like (``cp -p``, ``rsync -t``), the kernel alone sets ctime.
    """
    try:
        found = entry.stat()
    except OSError:  # gone since it was listed: reading it will say so
        return None, None
    if found.st_ctime_ns >= settled:
        return found.st_size, None
    return found.st_size, f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"


def _problem(entry: os.DirEntry[str], kind: str) -> Problem:
    if kind == "hidden":
        return kind, "a hidden file or folder; nothing in it was read"
    if kind == "broken_link":
        return kind, f"a symbolic link to {os.readlink(entry.path)!r}, which leads nowhere"
    return "not_a_file", "a device, a pipe or a socket"


def _kind(entry: os.DirEntry[str]) -> str:
    if is_hidden(entry.name):
        return "hidden"
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "link" if entry.is_symlink() else "folder"
    except OSError:  # a link to itself
        return "broken_link"
    return "broken_link" if entry.is_symlink() else "special"
