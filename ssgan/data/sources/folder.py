"""A local folder of images. Read only: nothing in it is ever written, moved or touched."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from ssgan.data.rejections import Rejected
from ssgan.data.sources import Item, Problem, listing
from ssgan.data.sources.layout import Layout, decide, is_hidden, place, some_hidden
from ssgan.data.sources.listing import I64, Files
from ssgan.errors import DataError, StorageError
from ssgan.wording import counted

_FIRST_READ = 1 << 16  # bytes; most small files end within, and then need no call that asks for their size
LINKS_SHOWN = 3
RACY_NS = 2_000_000_000  # a file that changed so shortly before is read again next time: times of FAT have steps of 2 s
KIND = stat.S_IFMT(0xFFFF)  # bits of a mode
GONE, HIDDEN = 0, -1  # in place of a kind
CTIME = 2  # position within a stamp
_numbers = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO}


class Folder:
    """A folder and everything below it; symbolic links are followed. Raises DataError where it does not exist."""

    threads = 0  # the page cache needs no more threads than there are cores

    def __init__(self, path: str, layout: str = "auto") -> None:
        self.folder = os.fspath(path)
        self.name = self.folder
        self._kind = layout
        self._links: set[str] = set()  # to folders, that a listing came across
        if not os.path.isdir(self.folder):
            raise DataError(
                f"data.source.path is {self.folder!r}, which is not a folder; put the raw images there or correct it"
            )

    @cached_property
    def _layout(self) -> Layout:
        top = _subfolders(self.folder)
        return decide(self._kind, top, lambda name: _subfolders(f"{self.folder}/{name}"), self.folder)

    @property
    def kind(self) -> str:
        """The layout: classes, split_classes or flat."""
        return self._layout.kind

    @property
    def notes(self) -> list[str]:
        links = sorted(self._links)
        if not links:
            return [self._layout.note]
        shown = ", ".join(f"`{link}`" for link in links[:LINKS_SHOWN]) + (", ..." if len(links) > LINKS_SHOWN else "")
        return [
            self._layout.note,
            f"({counted(len(links), 'link to a folder was', 'links to folders were')} followed: {shown}; `dvc repro` does "
            "not see what changes behind them: add their targets to the `deps` of `ingest` in dvc.yaml, or run `ssgan ingest`)",
        ]

    def classes(self) -> list[str]:
        return self._layout.classes

    def files(self) -> Iterator[Files]:
        """All files, in columns."""
        walk = _Walk(self.folder, self._layout.kind, time.time_ns() - RACY_NS, self._links)
        return walk.below("", (os.path.realpath(self.folder),))

    def items(self) -> Iterator[Item]:
        return (item for files in self.files() for item in files.items())

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
            return sorted(entry.name for entry in entries if not is_hidden(entry.name) and _is_folder(entry))
    except PermissionError:
        return []  # the listing reports it as unreadable


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


class _Nothing(NamedTuple):
    """In place of what the system says of an entry, where it says nothing."""

    st_mode: int = GONE
    st_size: int = 0
    st_mtime_ns: int = 0
    st_ctime_ns: int = 0
    st_ino: int = 0


class _Walk(NamedTuple):
    """What is the same for all folders below ``root``.

    ``settled`` is the time before which a file must have changed last, in ns. ``followed`` takes up the links to folders.
    """

    root: str
    layout: str
    settled: int
    followed: set[str]

    def below(self, folder: str, links: tuple[str, ...]) -> Iterator[Files]:
        """Files below a folder in the order of names; ``links`` is how links led here, as real paths."""
        try:
            names = sorted(os.listdir(f"{self.root}/{folder}"))
        except OSError as error:
            if not folder:
                raise StorageError(
                    f"{self.root} cannot be listed ({error.strerror}); give this user the right to read it"
                ) from None
            yield self._odd(folder.rstrip("/"), ("unreadable", f"the folder cannot be listed: {error.strerror}"))
            return
        for start in range(0, len(names), listing.LONGEST_BATCH):
            yield from self._some(folder, names[start : start + listing.LONGEST_BATCH], links)

    def _some(self, folder: str, names: list[str], links: tuple[str, ...]) -> Iterator[Files]:
        """Some entries of a folder: most are plain files, which stay arrays."""
        stats = _stats(f"{self.root}/{folder}", names)
        kinds = stats[:, 0] & KIND
        if some_hidden(names):
            kinds[[is_hidden(name) for name in names]] = HIDDEN
        start = 0
        for i in [*np.flatnonzero(kinds != stat.S_IFREG).tolist(), len(names)]:
            if start < i:
                yield self._plain(folder, names[start:i], stats[start:i, 1:])
            if i < len(names):
                yield from self._other(folder + names[i], int(kinds[i]), links)
            start = i + 1

    def _plain(self, folder: str, names: list[str], stamps: I64) -> Files:
        """Files; no stamp while a further change might leave the times as they are."""
        sizes = stamps[:, 0].copy()
        stamps[stamps[:, CTIME] >= self.settled] = 0
        paths = [folder + name for name in names]
        return Files(paths, sizes, stamps, np.zeros(len(names), np.int64), [place(folder + "file", self.layout)], {})

    def _other(self, path: str, kind: int, links: tuple[str, ...]) -> Iterator[Files]:
        full = f"{self.root}/{path}"
        if kind == HIDDEN:
            yield self._odd(path, ("hidden", "a hidden file or folder; nothing in it was read"))
        elif kind == GONE and os.path.islink(full):
            yield self._odd(path, ("broken_link", f"a symbolic link to {os.readlink(full)!r}, which leads nowhere"))
        elif kind == GONE:
            yield self._odd(path, None)  # reading it will say so
        elif kind != stat.S_IFDIR:
            yield self._odd(path, ("not_a_file", "a device, a pipe or a socket"))
        elif os.path.islink(full):
            target = os.path.realpath(full)
            if any(f"{real}/".startswith(f"{target}/") for real in (*links, os.path.realpath(os.path.dirname(full)))):
                yield self._odd(path, ("link_loop", f"a symbolic link to {target!r}, which contains it"))
            else:
                self.followed.add(path)
                yield from self.below(path + "/", (*links, target))
        else:
            yield from self.below(path + "/", links)

    def _odd(self, path: str, problem: Problem | None) -> Files:
        """One file with a problem, or one that is gone."""
        return listing.of_items([Item(path, None, *place(path, self.layout), problem)])


def _stats(folder: str, names: list[str]) -> I64:
    """(N, 1 + STAMP) mode, and the stamp: size, mtime, ctime in ns, inode; zeros where an entry is gone or a broken link.

    ctime and not only mtime: programs set mtime to what they like (``cp -p``, ``rsync -t``), the kernel alone sets ctime.
    """
    handle = os.open(folder, os.O_RDONLY)  # names are looked up in it, not whole paths
    try:
        try:
            found: list[os.stat_result | _Nothing] = [os.stat(name, dir_fd=handle) for name in names]
        except OSError:
            found = [_stat(name, handle) for name in names]
    finally:
        os.close(handle)
    try:
        flat = np.fromiter(chain.from_iterable(map(_numbers, found)), np.int64, (1 + listing.STAMP) * len(names))
    except OverflowError:  # some file systems set the highest bit of an inode
        low = (number & (2**64 - 1) for one in found for number in _numbers(one))
        flat = np.fromiter(low, np.uint64, (1 + listing.STAMP) * len(names)).view(np.int64)
    return flat.reshape(len(names), -1)


def _stat(name: str, folder: int) -> os.stat_result | _Nothing:
    try:
        return os.stat(name, dir_fd=folder)
    except OSError:
        return _Nothing()
