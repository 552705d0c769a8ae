"""Storage for what is written once and never changes: versions of models, and the log of who is live.

Nothing here removes or replaces. Who comes first is settled by the storage itself: on S3 by a conditional write
(``If-None-Match: *``), in a folder by a hard link.
"""

from __future__ import annotations

from pathlib import Path

from ssgan.errors import StorageError, UnusableError
from ssgan.storage.manifest import MANIFEST, check_name, dump
from ssgan.storage.retries import MissingError, RetryLimits
from ssgan.storage.store import Store, entries_of, open_store


class OnceStore(Store):
    """A store whose objects appear once, whoever else writes at the same time."""

    def keep(self, local: Path, key: str) -> None:
        """Store all files of ``local`` under ``key`` for good. ``key`` has to be a hash of them, so that two writers at once
        write the same bytes: nothing is removed, and what is there already stays."""
        check_name(key)
        patience = self._patience()
        entries = patience(f"reading {local}", lambda: entries_of(local, self.objects.url))
        if f"{key}/{MANIFEST}" in self._names(key, patience):
            return
        for entry in entries:
            self._upload(local / entry.name, f"{key}/{entry.name}", patience)
        self.create(f"{key}/{MANIFEST}", dump(entries))

    def create(self, name: str, data: bytes) -> bool:
        """Write a small object that must not exist yet. Returns False, and leaves it as it is, where it does.

        A server may do it and the answer get lost; then the next attempt finds an object with our bytes. So ``data`` has to
        differ from what any other writer would write, or it must not matter who wrote it.
        """
        check_name(name)
        patience = self._patience()
        if patience(f"creating {name}", lambda: self.objects.create(name, data), "s3:PutObject"):
            return True
        return self.read(name) == data

    def require_conditional_writes(self, name: str) -> None:
        """Raises StorageError where the server ignores the condition of ``create``, as some do: then no writer would ever lose
        a race. ``name`` is a small object that stays."""
        patience = self._patience()
        written = [patience(f"creating {name}", lambda: self.objects.create(name, b"{}\n"), "s3:PutObject") for _ in range(2)]
        if all(written):
            raise StorageError(
                f"{self.objects.url} ignores If-None-Match, so two writers could overwrite each other; use a server that has "
                "conditional writes (AWS S3, Ceph, SeaweedFS, MinIO), or a folder"
            )

    def read(self, name: str) -> bytes:
        """A small object. Raises UnusableError where there is none."""
        check_name(name)
        try:
            return self._patience()(f"reading {name}", lambda: self.objects.read(name), "s3:GetObject")
        except MissingError:
            raise UnusableError(f"{self.objects.url}: there is no {name}; it was removed") from None

    def names(self, prefix: str) -> list[str]:
        """Names of all objects below ``prefix``, sorted."""
        check_name(prefix)
        return sorted(self._names(prefix, self._patience()))


def open_once(url: str, limits: RetryLimits | None = None) -> OnceStore:
    """The store at ``url``, as in ``open_store``."""
    store = open_store(url, limits)
    return OnceStore(store.objects, store.limits)
