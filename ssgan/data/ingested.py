"""What the index knows of all images, as arrays: 25 bytes for each, and no object. All else is read when it is asked for.

Letters: N images, B = C*S*S bytes of one image, M of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.digests import Digests, heads, inverse, order_of
from ssgan.data.replacing import require_finished
from ssgan.data.row_writer import column, numbers, values
from ssgan.data.signatures import THUMB, Signatures
from ssgan.data.store import I64, U8, ImageStore
from ssgan.errors import DataError
from ssgan.wording import counted

NO_CLASS = -1
OFFICIAL_TRAIN, OFFICIAL_TEST = 1, 2  # bits: official splits that a file lies in
EXAMPLES = 5  # shown in an error

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
Bits = npt.NDArray[np.int8]


@dataclass(frozen=True)
class IngestedImages:
    """All ingested images, sorted by id, so that the order of files and shards is forgotten.

    head: (N,) the first 64 bits of their ids. position: (N,) their rows in the store.
    draw: (N,) a hash of the id alone that decides on val and test and on the order of images; it never changes.
    folders: names of class folders, sorted. folder: (N,) which of them, NO_CLASS where a file lies in none.
    official: (N,) bits of OFFICIAL_TRAIN and OFFICIAL_TEST: the official split that a file lies in.
    """

    store: ImageStore
    index: Path
    head: U64
    position: U32
    draw: U64
    folders: list[str]
    folder: I32
    official: Bits

    def __len__(self) -> int:
        return len(self.head)

    @property
    def spec(self) -> ImageSpec:
        return self.store.spec

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), self.spec.bytes

    def __getitem__(self, rows: I64, /) -> U8:
        """(M, B) pixels of (M,) images, read from the store."""
        return self.store.gather(self.position[rows].astype(np.int64), "pixels")

    def ids(self) -> Digests:
        """(N, 32) of all images."""
        (found,) = self._read({"id": np.empty((len(self), schema.ID_BYTES), np.uint8)})
        return found

    def signatures(self) -> Signatures:
        """Of all images."""
        n = len(self)
        columns: dict[str, npt.NDArray[Any]] = {
            "phash": np.empty((n, 1), np.uint64),
            "thumb": np.empty((n, THUMB * THUMB), np.uint8),
        }
        phash, thumbs, digest = self._read(columns | {"digest": np.empty((n, 1), np.uint64)})
        return Signatures(phash[:, 0], thumbs, digest[:, 0])

    def _read(self, columns: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Columns of fixed width, of all images, into arrays."""
        row_of = inverse(self.position)
        for at, table in _tables(self.store, self.index, list(columns)):
            for name, out in columns.items():
                out[row_of[at]] = schema.fixed(table[name]).view(out.dtype)
        return list(columns.values())

    def rows_of_ids(self, ids: Iterable[str]) -> dict[str, int]:
        """Rows of those images that some hex ids name."""
        texts = [one for one in dict.fromkeys(ids) if re.fullmatch("[0-9a-f]{64}", one)]
        heads = np.array([int(one[:16], 16) for one in texts], np.uint64)
        first, behind = (np.searchsorted(self.head, heads, side).astype(np.int64) for side in ("left", "right"))
        asked = np.repeat(np.arange(len(texts)), behind - first)  # hardly ever more than one image has a head
        rows = first[asked] + np.arange(len(asked)) - np.searchsorted(asked, asked)
        found = zip(asked.tolist(), rows.tolist(), self.values(rows, "id"), strict=True)
        return {texts[i]: row for i, row, one in found if one.hex() == texts[i]}

    def rows_of_paths(self, paths: Iterable[str]) -> dict[str, int]:
        """Rows of those images that lie at some paths of the source."""
        wanted, found, row_of = column(sorted(set(paths)), pa.string()), dict[str, int](), inverse(self.position)
        for at, table in _tables(self.store, self.index, ["path"]):
            here = np.flatnonzero(values(pc.is_in(table["path"], value_set=wanted)))
            texts = table["path"].combine_chunks().take(numbers(here, pa.int64()))
            found |= dict(zip(texts.to_pylist(), row_of[at][here].tolist(), strict=True))
        return found

    def values(self, rows: I64, column: str) -> list[Any]:
        """Of a few images: paths (within their source), or ids as bytes."""
        position, found = self.position[rows].astype(np.int64), dict[int, Any]()
        wanted = np.unique(position)
        for at, table in _tables(self.store, self.index, [column], wanted):
            here = wanted[slice(*np.searchsorted(wanted, (at.start, at.stop)))]
            some = table[column].combine_chunks().take(numbers(here - at.start, pa.int64()))
            found |= dict(zip(here.tolist(), some.to_pylist(), strict=True))
        return [found[one] for one in position.tolist()]

    def examples(self, rows: I64) -> str:
        """Paths of the first few, and how many more there are."""
        return examples(self.values(rows[:EXAMPLES], "path"), len(rows))


def examples(items: list[str], count: int | None = None) -> str:
    """The first few items and how many more there are, of ``count`` in all."""
    more = (len(items) if count is None else count) - EXAMPLES
    return ", ".join(items[:EXAMPLES]) + (f" and {more} more" if more > 0 else "")


class Copies:
    """M further files with the bytes of images.

    rows: (M,) of these. folder, official: (M,), as of IngestedImages, with folders by their number in ``names``. paths: (M,).
    """

    def __init__(self, images: IngestedImages, table: pa.Table) -> None:
        ids = [one.hex() for one in table["id"].to_pylist()]
        known = images.rows_of_ids(ids)
        table = table.filter(pa.array([one in known for one in ids], pa.bool_()))
        self.rows = np.array([known[one] for one in ids if one in known], np.int64)
        codes = {name: code for code, name in enumerate(images.folders)}
        self.folder = encoded(table["folder_class"], codes)
        self.names, self.official = list(codes), official_bits(table["official_split"])
        self.paths: list[str] = table["path"].to_pylist()


def load_images(data: Path) -> IngestedImages:
    """Read the index of all images, row group by row group.

    Args:
        data: the folder with ``images/`` and ``index/``.

    Raises:
        DataError: if there is no image, an image comes twice, a shard is damaged or lacks its index, or shards differ in size,
            channels or resize.
    """
    require_finished(data)
    store, index = ImageStore((data / "images").as_posix()), data / "index"
    if not len(store):
        raise DataError(f"{store.root} holds no image of {store.spec}; see data/rejected.parquet for the reasons")
    ids = np.empty((len(store), schema.ID_BYTES), np.uint8)
    for at, table in _tables(store, index, ["id"]):
        ids[at] = schema.fixed(table["id"])
    position = order_of(ids)
    head = heads(ids)[position]
    close = np.flatnonzero(head[1:] == head[:-1])
    twice = [a for a, b in zip(ids[position[close]], ids[position[close + 1]], strict=True) if (a == b).all()]
    if twice:
        one = twice[0].tobytes().hex()
        raise DataError(f"{store.root} holds {counted(len(twice), 'image')} twice, such as {one}; run `dvc repro ingest` again")
    del ids
    return IngestedImages(store, index, head, position, *_columns(store, index, inverse(position)))


def _columns(store: ImageStore, index: Path, row_of: U32) -> tuple[U64, list[str], I32, Bits]:
    """What else is kept of N images; ``row_of``: (N,) where each row of the store comes to stand."""
    n, codes = len(store), dict[str, int]()
    draw, folder, official = np.empty(n, np.uint64), np.empty(n, np.int32), np.empty(n, np.int8)
    for at, table in _tables(store, index, ["draw", "folder_class", "official_split"]):
        to = row_of[at]
        draw[to] = schema.fixed(table["draw"]).view(np.uint64)[:, 0]
        folder[to] = encoded(table["folder_class"], codes)
        official[to] = official_bits(table["official_split"])
    names = sorted(codes)
    number = {name: i for i, name in enumerate(names)}
    new = np.array([*(number[name] for name in codes), NO_CLASS], np.int32)  # NO_CLASS, -1, takes the last one
    return draw, names, new[folder], official


def _tables(store: ImageStore, index: Path, columns: list[str], wanted: I64 | None = None) -> Iterator[tuple[slice, pa.Table]]:
    """Row groups of the index, and which rows of the store they are; only those with rows that are ``wanted``, ascending."""
    start, paths = 0, schema.shards(index)
    if len(paths) != len(store.shards):
        raise _strange(store, index)
    for path, shard in zip(paths, store.shards, strict=True):
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                if file.schema_arrow.metadata[schema.ROWS_KEY].decode() != shard.rows:
                    raise _strange(store, index)
                for group in range(file.num_row_groups):
                    at = slice(start, start + file.metadata.row_group(group).num_rows)
                    if wanted is None or np.diff(np.searchsorted(wanted, (at.start, at.stop))):
                        yield at, file.read_row_group(group, columns=columns)
                    start = at.stop
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{path} is damaged ({error}); delete {index} and run `dvc repro ingest`") from error


def _strange(store: ImageStore, index: Path) -> DataError:
    return DataError(f"{store.root} and {index} are not of one ingest; run `dvc repro ingest` again")


def encoded(texts: pa.ChunkedArray, codes: dict[str, int]) -> I32:
    """(N,) the code of each text; new ones get the next number. NO_CLASS for null."""
    found = texts.combine_chunks().dictionary_encode()
    for name in found.dictionary.to_pylist():
        codes.setdefault(name, len(codes))
    known = np.array([*(codes[name] for name in found.dictionary.to_pylist()), NO_CLASS], np.int32)
    return known[values(found.indices.fill_null(NO_CLASS))]


def official_bits(texts: pa.ChunkedArray) -> Bits:
    """(N,) bits of OFFICIAL_TRAIN and OFFICIAL_TEST."""
    return np.array([OFFICIAL_TRAIN, OFFICIAL_TEST, 0], np.int8)[encoded(texts, {"train": 0, "test": 1})]
