"""Files of a split: images come in from Parquet shards in any order, sets go out in an order that tells nothing.

Pixels wait in a scratch file that is mapped into memory: rows can be looked up in any order, and memory does not grow
with the data. The scratch file needs as much disk as the pixels of all images, and is deleted in the end.

Letters: N images, B = C*S*S bytes of one image.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan import atomic
from ssgan.config import MIB, ImageSpec
from ssgan.data import schema
from ssgan.data.index import signatures_of
from ssgan.data.replacing import require_finished
from ssgan.data.signatures import Signatures
from ssgan.errors import DataError

SHARD_BYTES = 64 * MIB  # of pixels in one file
ROW_GROUP_BYTES = 4 * MIB  # of pixels: what the streaming loader reads at once
COLUMNS = ["id", "path", "folder_class", "official_split"]
SIGNATURES = ["phash", "thumb", "digest"]
SALT = b"ssgan-split"

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IngestedImages:
    """All ingested images, sorted by id, so that the order of files and shards is forgotten.

    table: COLUMNS, N rows. signatures: of N images. pixels: (N, B) uint8, mapped from disk.
    draw: (N,) uint64, a hash of the id alone that decides on val and test and on the order of rows; it never changes,
    whatever else is added.
    """

    spec: ImageSpec
    table: pa.Table
    signatures: Signatures
    pixels: npt.NDArray[np.uint8]
    draw: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.table.num_rows)


def load_images(folder: Path, index: Path, scratch: Path) -> IngestedImages:
    """Read all image shards; pixels go to the file ``scratch``.

    Raises:
        DataError: if there is no image, an image comes twice, a shard is damaged or lacks its index, or shards differ in size,
            channels or resize.
    """
    require_finished(folder.parent)
    try:
        return _load_images(folder, index, scratch)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{folder} holds a damaged file ({error}); delete the folder and run `dvc repro ingest`") from error


def _load_images(folder: Path, index: Path, scratch: Path) -> IngestedImages:
    files = [pq.ParquetFile(path, page_checksum_verification=True) for path in schema.shards(folder)]
    specs = [schema.spec_of(schema.read_metadata(f.schema_arrow, str(folder))) for f in files]
    if len(set(specs)) > 1:
        raise DataError(f"{folder} holds images of different kinds ({specs[0]} and others); run `dvc repro ingest` again")
    known = [pq.ParquetFile(path, page_checksum_verification=True) for path in schema.shards(index)]
    if [f.schema_arrow.metadata[schema.ROWS_KEY] for f in files] != [f.schema_arrow.metadata[schema.ROWS_KEY] for f in known]:
        raise DataError(f"{folder} and {index} are not of one ingest; run `dvc repro ingest` again")
    table = pa.concat_tables([f.read(columns=COLUMNS + SIGNATURES).replace_schema_metadata() for f in known])
    if table.num_rows == 0:
        raise DataError(f"{folder} holds no image; see data/rejected.parquet for the reasons")
    order = pc.sort_indices(table["id"]).to_numpy()
    found = signatures_of(table).take(order)
    table = schema.with_hex_ids(table.select(COLUMNS).take(order)).combine_chunks()
    ids = table["id"].to_pylist()
    twice = [a for a, b in pairwise(ids) if a == b]
    if twice:
        raise DataError(f"{folder} holds {len(twice)} images twice, such as {twice[0]}; run `dvc repro ingest` again")
    row_of = np.empty(len(ids), np.int64)
    row_of[order] = np.arange(len(ids))
    pixels = _reserve(scratch, len(ids), specs[0].bytes)
    start = 0
    for part in _pixels(files, specs[0]):
        pixels[row_of[start : start + len(part)]] = part
        start += len(part)
    return IngestedImages(specs[0], table, found, pixels, _draw(ids))


def _reserve(scratch: Path, n: int, size: int) -> npt.NDArray[np.uint8]:
    """(n, size) array in a file whose room on disk is taken now: writing to a mapped file on a full disk kills the process."""
    try:
        with scratch.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, n * size)
            file.truncate(n * size)
    except OSError as error:
        raise DataError(
            f"{scratch.parent} needs {n * size / MIB:,.0f} MiB of free disk for a while: {error.strerror}"
        ) from None
    return np.memmap(scratch, np.uint8, "r+", shape=(n, size))


def _pixels(files: Iterable[pq.ParquetFile], spec: ImageSpec) -> Iterator[npt.NDArray[np.uint8]]:
    """(n, B) pixels of one row group after the other."""
    for file in files:
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["pixels"])["pixels"]
            yield schema.pixels_to_numpy(column, spec).reshape(len(column), spec.bytes)


def _draw(ids: Iterable[str]) -> npt.NDArray[np.uint64]:
    digests = b"".join(hashlib.sha256(SALT + image.encode()).digest()[:8] for image in ids)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def load_duplicates(path: Path | None) -> pa.Table:
    """``duplicates.parquet`` without the files that were kept (these are images); empty where there is no such file."""
    if path is None:
        return schema.with_hex_ids(schema.duplicates_schema().empty_table())
    try:
        table = schema.with_hex_ids(pq.read_table(path))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro ingest`") from None
    return table.filter(pc.invert(table["kept"])) if "kept" in table.column_names else table


def write_set(folder: Path, layout: pa.Schema, images: IngestedImages, rows: I64, labels: npt.NDArray[np.int32]) -> None:
    """Write the images of ``rows`` to ``folder`` as shards, in the order of their draw.

    Args:
        layout: labeled_schema or unlabeled_schema; columns that it lacks are not written.
        labels: (N,) class ids.
    """
    folder.mkdir(parents=True)
    rows = rows[np.argsort(images.draw[rows], kind="stable")]
    group = max(1, ROW_GROUP_BYTES // images.spec.bytes)
    shard = group * max(1, SHARD_BYTES // (group * images.spec.bytes))
    for number, start in enumerate(range(0, max(1, len(rows)), shard)):
        with pq.ParquetWriter(
            folder / f"{number:05d}.parquet", layout, compression="NONE", use_dictionary=False, write_statistics=["id"]
        ) as writer:
            for first in range(start, min(start + shard, len(rows)), group):
                part = rows[first : min(first + group, start + shard)]
                writer.write_table(_table(layout, images, part, labels), row_group_size=group)


def write_reserved(path: Path, images: IngestedImages, rows: dict[str, I64]) -> None:
    """Write which images wait for a label to join val or test: their ids and that set, no pixels."""
    ids = pa.concat_arrays([images.table["id"].take(some).combine_chunks() for some in rows.values()])
    sets = pa.array([name for name, some in rows.items() for _ in some], pa.string())
    pq.write_table(pa.table({"id": schema.ids_column(ids.to_pylist()), "set": sets}), path)


def _table(layout: pa.Schema, images: IngestedImages, rows: I64, labels: npt.NDArray[np.int32]) -> pa.Table:
    texts = images.table.take(rows)
    columns = {
        "id": schema.ids_column(texts["id"].to_pylist()),
        "path": texts["path"],
        "label": pa.array(labels[rows]),
        "pixels": schema.numpy_to_pixels(images.pixels[rows]),
    }
    return pa.Table.from_arrays([columns[name] for name in layout.names], schema=layout)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``out`` if all goes well, and vanishes if not.

    Raises:
        DataError: if ``out`` holds something that is not a split, since that would be deleted.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "split.json").exists())):
        raise DataError(f"{out} exists and is not a split (no split.json in it); move it away, it would be overwritten")
    with atomic.replaced_folder(out) as building:
        yield building
