"""What an earlier ingest read, by the stamp of each file, so that a file which has not changed is not read again.

A *stamp* changes whenever the bytes of a file do. A source gives one with each item of its listing, or None where it cannot
promise that. The index is a cache beside the shards, outside of what DVC hashes: without it every file is read and hashed, and
still only bytes that no shard holds are decoded.

A stamp could be wrong all the same (a file system that keeps no times, a clock that was set back). So the index only ever
says which bytes a path had; whether a shard holds them is asked of the shard. And every run reads one in CHECK of the files
that it could leave unread: if one of them has other bytes than the index says, the index is dropped (``StaleIndexError``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data.recipe import Recipe
from ssgan.data.row_writer import RowWriter
from ssgan.data.sources import Item

VERSION = 1
CHECK = 1000
_BATCH = 8192  # entries in memory at a time, while reading


class StaleIndexError(Exception):
    """A file has other bytes than the index says, though its stamp is the same."""


class Outcome(NamedTuple):
    """What became of the bytes of a file. ``reason`` and ``detail`` are empty where they are an image."""

    digest: bytes  # sha256
    size: int  # bytes
    reason: str = ""
    detail: str = ""


END = ("", "", Outcome(b"", 0))


def _schema(recipe: Recipe, source: str, run: int) -> pa.Schema:
    fields = [("path", pa.string()), ("stamp", pa.string()), ("digest", pa.binary(32)), ("size", pa.int64())]
    key = repr((VERSION, source, recipe))
    return pa.schema([*fields, ("reason", pa.string()), ("detail", pa.string())], {"key": key, "run": str(run)})


class Index:
    """Reads the index of the run before; nothing where it is absent, damaged, of another source or of another recipe."""

    def __init__(self, path: Path, recipe: Recipe, source: str) -> None:
        self._file, self.run = _opened(path, _schema(recipe, source, 0).metadata[b"key"])
        self._checked: dict[str, bytes] = {}

    def recalled(self, items: Iterable[Item], usable: Callable[[Outcome], bool]) -> Iterator[tuple[Item, Outcome | None]]:
        """Items with what is known of them; None: to be read, since it is new, has changed or is to be checked.

        The items come in the order of the listing, as they did when the index was written: so one pass over both suffices.
        """
        entries, hits = self._entries(), self.run
        path, stamp, outcome = next(entries, END)
        for item in items:
            if item.path != path and path:
                key = item.path.split("/")
                while path and path.split("/") < key:
                    path, stamp, outcome = next(entries, END)
            if item.path != path or item.stamp != stamp or not usable(outcome):
                yield item, None
                continue
            hits += 1
            if hits % CHECK == 0:  # another one in every run
                self._checked[path] = outcome.digest
                yield item, None
            else:
                yield item, outcome

    def _entries(self) -> Iterator[tuple[str, str, Outcome]]:
        for batch in self._file.iter_batches(_BATCH) if self._file else ():
            path, stamp, *rest = (column.to_pylist() for column in batch.columns)
            yield from zip(path, stamp, map(Outcome._make, zip(*rest, strict=True)), strict=True)

    def check(self, item: Item, outcome: Outcome) -> None:
        """Raise StaleIndexError where a file that was read only to check the index turns out to be another one."""
        if self._checked and self._checked.pop(item.path, outcome.digest) != outcome.digest:
            raise StaleIndexError(f"{item.path} has changed, but its size and times have not")


def _opened(path: Path, key: bytes) -> tuple[pq.ParquetFile | None, int]:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid):
        return None, 0
    metadata = file.schema_arrow.metadata or {}
    return (file, int(metadata[b"run"])) if metadata.get(b"key") == key else (None, 0)


class IndexWriter(RowWriter):
    """Writes the index of this run. Paths that are no text are left out: their files are read again."""

    def __init__(self, path: Path, recipe: Recipe, source: str, run: int) -> None:
        super().__init__(path, _schema(recipe, source, run), use_dictionary=False, write_statistics=False)

    def record(self, item: Item, outcome: Outcome) -> None:
        """Remember what became of an item."""
        if item.stamp is not None and _is_text(item.path):
            self.add((item.path, item.stamp, *outcome))


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
