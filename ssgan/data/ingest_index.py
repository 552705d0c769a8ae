"""What an earlier ingest read, by the stamp of each file, so that a file which has not changed is not read again.

A *stamp* changes whenever the bytes of a file do. A source gives one with each item of its listing, or None where it cannot
promise that. The index is a cache beside the shards, outside of what DVC hashes: without it every file is read and hashed, and
still only bytes that no shard holds are decoded.

A stamp could be wrong all the same (a file system that keeps no times, a clock that was set back). So the index only ever
says which bytes a path had; whether a shard holds them is asked of the shard. And every run reads one in CHECK of the files
that it could leave unread: if one of them has other bytes than the index says, the index is dropped (``StaleIndexError``).

Files that have not changed stay columns of Arrow, from the old index into the new one: nothing is done for each of them in
Python, and memory is about 120 bytes for each. Letters: K entries of the index, N items of a batch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.data.batches import TO_READ, FileBatch, all_to_read
from ssgan.data.digests import NONE, DigestMap
from ssgan.data.recipe import DecodeRecipe
from ssgan.data.row_writer import column, numbers, values
from ssgan.data.schema import binary, fixed
from ssgan.data.sources.listing import I64, STAMP, Files

VERSION = 3
CHECK = 1000
ROW_GROUP = 16_384  # entries that are written at once


class StaleIndexError(Exception):
    """A file has other bytes than the index says, though its stamp is the same."""


class FileOutcome(NamedTuple):
    """What became of the bytes of a file. ``reason`` and ``detail`` are empty where they are an image."""

    digest: bytes  # sha256; empty: it was not read
    size: int  # bytes
    reason: str = ""
    detail: str = ""


def _schema(recipe: DecodeRecipe, source: str, run: int) -> pa.Schema:
    fields = [("path", pa.binary()), ("stamp", pa.binary(8 * STAMP)), ("digest", pa.binary(32)), ("size", pa.int64())]
    key = repr((VERSION, source, recipe))
    return pa.schema([*fields, ("reason", pa.string()), ("detail", pa.string())], {"key": key, "run": str(run)})


class Index:
    """Reads the index of the run before; nothing where it is absent, damaged, of another source or of another recipe.

    Attributes:
        table: K entries in the order of the listing.
        numbers: (K,) what ``places`` says of the bytes of each entry; NONE: nothing.
    """

    def __init__(self, path: Path, recipe: DecodeRecipe, source: str, places: DigestMap) -> None:
        self.table, self.run = _opened(path, _schema(recipe, source, 0))
        self.numbers = places.get(fixed(self.table["digest"]))
        self._sizes, self._stamps = values(self.table["size"]), fixed(self.table["stamp"]).view(np.int64)
        self._usable = (self.numbers != NONE) | (values(pc.binary_length(self.table["reason"])) > 0)
        self._hits, self._next = self.run, 0
        self._checked: dict[str, bytes] = {}

    def recall(self, files: Files) -> I64:
        """(N,) the entry of each file; TO_READ: it is new, has changed, is not to be found by its bytes, or is to be checked.

        The files come in the order of the listing, as they did when the index was written: so those of one call are among
        the entries from where the last call ended to the last file's.
        """
        if not len(self.table):
            return all_to_read(files)
        paths, start = self.table["path"], self._next
        self._next = bisect_right(paths, _key(files.encoded[-1].as_py()), start, key=lambda path: _key(path.as_py()))
        window = self.table.slice(start, self._next - start)
        at = pc.index_in(files.encoded, value_set=window["path"])
        found, entries = np.flatnonzero(values(at.is_valid())), start + values(at.drop_null())
        same = (self._stamps[entries] == files.stamps[found]).all(axis=1) & self._usable[entries]
        known = all_to_read(files)
        known[found[same]] = entries[same]
        self._check(files, known)
        return known

    def _check(self, files: Files, known: I64) -> None:
        """Have one in CHECK of the known files read all the same: another one in every run."""
        hits = np.flatnonzero(known != TO_READ)
        chosen = hits[(self._hits + 1 + np.arange(len(hits))) % CHECK == 0]
        self._hits += len(hits)
        for position, outcome in zip(chosen.tolist(), self.outcomes(known[chosen]), strict=True):
            self._checked[files.paths[position]] = outcome.digest
        known[chosen] = TO_READ

    def outcomes(self, entries: I64) -> list[FileOutcome]:
        """What became of the bytes of these entries."""
        if not len(entries):
            return []
        rows = self.table.select(FileOutcome._fields).take(numbers(entries, pa.int64()))
        return [FileOutcome(*row) for row in zip(*(one.to_pylist() for one in rows.columns), strict=True)]

    def bytes(self, known: I64) -> int:
        """Of all files whose entries are ``known``."""
        return int(self._sizes[known[known != TO_READ]].sum())

    def verify(self, path: str, outcome: FileOutcome) -> None:
        """Raise StaleIndexError where a file that was read only to check the index turns out to be another one."""
        if self._checked and self._checked.pop(path, outcome.digest) != outcome.digest:
            raise StaleIndexError(f"{path} has changed, but its size and times have not")


def _opened(path: Path, schema: pa.Schema) -> tuple[pa.Table, int]:
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            if metadata.get(b"key") == schema.metadata[b"key"]:
                return file.read().combine_chunks(), int(metadata[b"run"])
    except (OSError, pa.ArrowInvalid):
        pass
    return pa.Table.from_batches([], schema), 0


class IndexWriter:
    """Writes the index of this run; what stays is taken over from ``old``."""

    def __init__(self, path: Path, recipe: DecodeRecipe, source: str, old: Index) -> None:
        self._schema = _schema(recipe, source, old.run + 1)
        self._writer = pq.ParquetWriter(path, self._schema, use_dictionary=False, write_statistics=False, compression="NONE")
        self._old = old.table.replace_schema_metadata(self._schema.metadata)
        self._waiting: list[pa.Table] = []

    def add(self, batch: FileBatch, read: Sequence[FileOutcome]) -> None:
        """Remember what became of the files of a batch: ``read``, (U,), of those that had to be read."""
        kept = np.flatnonzero(batch.known != TO_READ)
        files, unread = batch.files, batch.unread
        stamped = set(unread[files.stamps[unread].any(axis=1)].tolist())
        pairs = [(i, one) for i, one in zip(unread.tolist(), read, strict=True) if one.digest and i in stamped]
        parts = [self._old.take(numbers(batch.known[kept], pa.int64()))] if len(kept) else []
        if pairs:
            at = [i for i, _ in pairs]
            known = [files.encoded.take(numbers(np.array(at), pa.int64())), binary(files.stamps[at].view(np.uint8))]
            told = zip(*(one for _, one in pairs), strict=True)
            columns = [column(one, field.type) for one, field in zip(told, list(self._schema)[2:], strict=True)]
            parts.append(pa.Table.from_arrays([*known, *columns], schema=self._schema))
        if len(parts) == 2:
            order = np.argsort(np.concatenate([kept, [i for i, _ in pairs]]))
            parts = [pa.concat_tables(parts).take(numbers(order, pa.int64()))]
        self._waiting += parts
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the rest and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []


def _key(path: bytes) -> list[bytes]:
    return path.split(b"/")
