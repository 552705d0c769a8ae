"""What the engine asks of storage: whole folders, complete or invisible.

The engine does not know whether a folder of this machine or S3 lies behind it; ``runtime/storage.py`` implements this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class FolderStore(Protocol):
    """Keeps folders of files under keys such as ``checkpoints/RUN/main/step-00001000``.

    A folder is written files first, then its manifest (name, size and sha256 of every file) as the last object, so a folder
    is either complete or does not exist for ``get`` and ``keys``.
    """

    def put(self, local: Path, key: str) -> None:
        """Store all files of ``local`` (recursively) under ``key``; an older folder there is replaced.

        Transient faults are retried with bounded back-off. Raises StorageError with the reason when that is not enough.
        """
        ...

    def get(self, key: str, local: Path) -> None:
        """Fetch a complete folder into ``local`` (created; must be empty) and check every sha256.

        A file that arrives damaged is fetched again. Raises UnusableError when the folder does not exist, is incomplete or
        stays damaged, another StorageError when storage or the disk here fails.
        """
        ...

    def keys(self, prefix: str) -> list[str]:
        """Keys of the complete folders directly below ``prefix``, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove a folder, its manifest first. Removing what does not exist is no error."""
        ...
