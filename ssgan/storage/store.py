"""Storage for checkpoints in flight and finished runs: a folder of this machine or S3, with the same promises.

A stored folder is its files plus ``manifest.json`` (name, size and sha256 of each file), written last and removed first:
a folder is complete or it does not exist. A folder is replaced by removing the old one, manifest first, so readers may
see none for a moment but never a mix. One writer per key is assumed (rank 0).
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Protocol

import fsspec

from ssgan.errors import StorageError, UnusableError
from ssgan.provenance import file_sha256
from ssgan.storage.local import LocalObjects
from ssgan.storage.manifest import MANIFEST, Entry, check_name, dump, parse
from ssgan.storage.retries import DamagedError, FaultVerdict, MissingError, Patience, RetryLimits

PROBE_LIMITS = RetryLimits(patience_s=20.0, attempts=4, read_timeout_s=10.0)


class Objects(Protocol):
    """What a kind of storage has to offer. Names are relative POSIX paths; sizes are bytes.

    ``read`` and ``download`` raise MissingError for what is not there; whatever else they raise, ``judge`` explains.
    ``create`` writes only where there is nothing yet, and returns whether it did: of all that try at once, one does.
    """

    url: str

    def names(self, prefix: str) -> dict[str, int]: ...
    def upload(self, local: Path, name: str) -> None: ...
    def download(self, name: str, local: Path, size: int) -> None: ...
    def write(self, name: str, data: bytes) -> None: ...
    def create(self, name: str, data: bytes) -> bool: ...
    def read(self, name: str) -> bytes: ...
    def remove(self, name: str) -> None: ...
    def renew(self) -> None: ...
    def judge(self, error: BaseException) -> FaultVerdict | None: ...


class Store:
    """The ``FolderStore`` of ``ssgan.training.context``, over any ``Objects``. Can be pickled; opens nothing until used."""

    def __init__(self, objects: Objects, limits: RetryLimits) -> None:
        self.objects, self.limits = objects, limits

    def put(self, local: Path, key: str) -> None:
        """Store all files of ``local`` under ``key``; see FolderStore."""
        check_name(key)
        patience = self._patience()
        entries = patience(f"reading {local}", lambda: entries_of(local, self.objects.url))
        self._delete(key, patience)
        for entry in entries:
            name = f"{key}/{entry.name}"
            self._upload(local / entry.name, name, patience)
        self._check_sizes(key, entries, patience)
        data = dump(entries)
        patience(f"writing {key}/{MANIFEST}", lambda: self.objects.write(f"{key}/{MANIFEST}", data), "s3:PutObject")

    def get(self, key: str, local: Path) -> None:
        """Fetch a complete folder into ``local``, which appears as a whole or stays empty; see FolderStore."""
        check_name(key)
        if local.exists() and (not local.is_dir() or any(local.iterdir())):
            raise StorageError(f"{local} is not an empty folder; name one that is, nothing is overwritten")
        patience = self._patience()
        entries = self._manifest(key, patience)
        part = local.with_name(f".{local.name[:100]}.{uuid.uuid4().hex}.part")
        try:
            patience(f"making {part}", lambda: part.mkdir(parents=True))
            for entry in entries:
                self._fetch(key, entry, part, patience)
            patience(f"making {local}", lambda: part.replace(local))
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def keys(self, prefix: str) -> list[str]:
        """Keys of the complete folders directly below ``prefix``, sorted; see FolderStore."""
        check_name(prefix)
        names = self._names(prefix, self._patience())
        return sorted(n.removesuffix(f"/{MANIFEST}") for n in names if _depth(n, prefix) == 2 and n.endswith(f"/{MANIFEST}"))

    def delete(self, key: str) -> None:
        """Remove a folder, its manifest first; see FolderStore."""
        check_name(key)
        self._delete(key, self._patience())

    def _patience(self) -> Patience:
        return Patience(self.objects.url, self.limits, self.objects.judge, self.objects.renew)

    def _names(self, key: str, patience: Patience) -> dict[str, int]:
        return patience(f"listing {key}", lambda: self.objects.names(f"{key}/"), "s3:ListBucket")

    def _upload(self, local: Path, name: str, patience: Patience) -> None:
        patience(f"writing {name}", lambda: self.objects.upload(local, name), "s3:PutObject")

    def _delete(self, key: str, patience: Patience) -> None:
        names = self._names(key, patience)
        for name in sorted(names, key=lambda n: (n != f"{key}/{MANIFEST}", n)):
            self._remove(name, patience)

    def _remove(self, name: str, patience: Patience) -> None:
        patience(f"removing {name}", lambda: self.objects.remove(name), "s3:DeleteObject")

    def _check_sizes(self, key: str, entries: list[Entry], patience: Patience) -> None:
        """Before the manifest declares the folder complete: is everything there, and nothing else?"""
        found = self._names(key, patience)
        expected = {f"{key}/{e.name}": e.size for e in entries}
        if found != expected:
            wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
            raise StorageError(
                f"{self.objects.url}: {wrong[0]} has {found.get(wrong[0], 'no')} bytes after writing "
                f"{expected.get(wrong[0], 'none')}; make sure that only one process writes to {key}"
            )

    def _manifest(self, key: str, patience: Patience) -> list[Entry]:
        name = f"{key}/{MANIFEST}"
        try:
            return patience(f"reading {name}", lambda: parse(self.objects.read(name), name), "s3:GetObject")
        except MissingError:
            raise UnusableError(
                f"{self.objects.url}: there is no complete folder {key} ({MANIFEST} is missing); choose another one"
            ) from None

    def _fetch(self, key: str, entry: Entry, folder: Path, patience: Patience) -> None:
        name, target = f"{key}/{entry.name}", folder / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)

        def fetch() -> None:
            self.objects.download(name, target, entry.size)
            if target.stat().st_size != entry.size or file_sha256(target) != entry.sha256:
                raise DamagedError(f"{name} arrived damaged (its sha256 is not that of the manifest)")

        try:
            patience(f"reading {name}", fetch, "s3:GetObject")
        except MissingError:
            raise UnusableError(
                f"{self.objects.url}: {key} is incomplete, {entry.name} is missing; delete that folder"
            ) from None


def filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """File system and root path for ``url``: a local path or ``s3://bucket/prefix``.

    Requests to S3 have timeouts and are tried twice; files that are open, and look-ups, have the patience of a store
    besides. Raises StorageError for any other kind of URL.
    """
    if _is_s3(url):
        from ssgan.storage.s3 import s3_filesystem
        from ssgan.storage.s3_files import PatientFileSystem

        return s3_filesystem(RetryLimits(), 2, PatientFileSystem), url.removeprefix("s3://").rstrip("/")
    return fsspec.filesystem("file", auto_mkdir=True), str(_local(url))


def open_store(url: str, limits: RetryLimits | None = None) -> Store:
    """The store at ``url``: a local path or ``s3://bucket/prefix``. Raises StorageError for any other kind of URL."""
    limits = limits or RetryLimits()
    if _is_s3(url):
        from ssgan.storage.s3 import S3Objects

        return Store(S3Objects(url, limits), limits)
    return Store(LocalObjects(_local(url)), limits)


def probe(url: str) -> None:
    """Write, list, read back, compare and delete a small object, as training will. Raises StorageError with the remedy."""
    store = open_store(url, PROBE_LIMITS)
    objects, patience = store.objects, store._patience()
    name, data = f".ssgan-probe/{uuid.uuid4().hex}", os.urandom(64)
    patience("the trial write", lambda: objects.write(name, data), "s3:PutObject")
    try:
        seen = patience("the trial listing", lambda: objects.names(".ssgan-probe/"), "s3:ListBucket")
        back = patience("the trial read", lambda: objects.read(name), "s3:GetObject")
        if back != data or seen.get(name) != len(data):
            raise StorageError(f"{url}: the trial object came back changed; check the server and any proxy before it")
    finally:
        patience("the trial removal", lambda: objects.remove(name), "s3:DeleteObject")


def _is_s3(url: str) -> bool:
    """Is it S3, rather than a local path? Raises StorageError for what is neither."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "s3":
        raise StorageError(f"`storage.url` starts with {scheme}://; use a local path or s3://bucket/prefix")
    bucket = rest.partition("/")[0]
    if separator and ("@" in bucket or "?" in rest):
        raise StorageError("`storage.url` carries credentials or options; use the AWS environment variables or AWS_PROFILE")
    if separator and not bucket:
        raise StorageError(f"`storage.url` is {url!r}, which names no bucket; write s3://bucket/prefix")
    return bool(separator)


def _local(url: str) -> Path:
    return Path(url).expanduser().absolute()


def entries_of(local: Path, url: str) -> list[Entry]:
    """The files of a folder that is to be stored, sorted by name. Raises StorageError where there are none."""
    files = sorted(p for p in local.rglob("*") if p.is_file())
    if not files:
        raise StorageError(f"{url}: {local} holds no files, there is nothing to store")
    return [Entry(check_name(p.relative_to(local).as_posix(), file=True), p.stat().st_size, file_sha256(p)) for p in files]


def _depth(name: str, prefix: str) -> int:
    return name.removeprefix(f"{prefix}/").count("/") + 1
