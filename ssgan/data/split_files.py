"""Files of a split: the index of all images comes in, in any order of shards, and sets of rows of the image store go out.

Letters: N images, B = C*S*S bytes of one image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan import atomic
from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.digests import draws
from ssgan.data.index import signatures_of
from ssgan.data.replacing import require_finished
from ssgan.data.signatures import Signatures
from ssgan.data.store import I64, U8, ImageStore
from ssgan.errors import DataError

COLUMNS = ["id", "path", "folder_class", "official_split"]
SIGNATURES = ["phash", "thumb", "digest"]
OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": ["set"],
    "column_encoding": {"position": "DELTA_BINARY_PACKED"},  # ascending numbers: some bits each
    "write_statistics": False,
    "write_page_checksum": True,
}


@dataclass(frozen=True)
class IngestedImages:
    """All ingested images, sorted by id, so that the order of files and shards is forgotten.

    table: COLUMNS, N rows. signatures: of N images. position: (N,) their rows in the store.
    draw: (N,) uint64, a hash of the id alone that decides on val and test and on the order of images; it never changes,
    whatever else is added.
    """

    store: ImageStore
    table: pa.Table
    signatures: Signatures
    position: I64
    draw: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def spec(self) -> ImageSpec:
        return self.store.spec

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), self.spec.bytes

    def __getitem__(self, rows: I64, /) -> U8:
        """(M, B) pixels of (M,) images, read from the store."""
        return self.store.gather(self.position[rows], "pixels")


def load_images(data: Path) -> IngestedImages:
    """Read the index of all images.

    Args:
        data: the folder with ``images/`` and ``index/``.

    Raises:
        DataError: if there is no image, an image comes twice, a shard is damaged or lacks its index, or shards differ in size,
            channels or resize.
    """
    require_finished(data)
    images, index = data / "images", data / "index"
    store = ImageStore(images.as_posix())
    spec, rows = store.spec, [one.rows for one in store.shards]
    try:
        known = [pq.ParquetFile(path, page_checksum_verification=True) for path in schema.shards(index)]
        if [file.schema_arrow.metadata[schema.ROWS_KEY].decode() for file in known] != rows:
            raise DataError(f"{images} and {index} are not of one ingest; run `dvc repro ingest` again")
        table = pa.concat_tables([file.read(columns=COLUMNS + SIGNATURES).replace_schema_metadata() for file in known])
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{index} holds a damaged file ({error}); delete the folder and run `dvc repro ingest`") from error
    if table.num_rows == 0:
        raise DataError(f"{images} holds no image of {spec}; see data/rejected.parquet for the reasons")
    return _sorted(store, table)


def _sorted(store: ImageStore, table: pa.Table) -> IngestedImages:
    order = pc.sort_indices(table["id"]).to_numpy().astype(np.int64)
    draw, found = draws(schema.fixed(table["id"])[order]), signatures_of(table).take(order)
    table = schema.with_hex_ids(table.select(COLUMNS).take(order)).combine_chunks()
    twice = [a for a, b in pairwise(table["id"].to_pylist()) if a == b]
    if twice:
        raise DataError(f"{store.root} holds {len(twice)} images twice, such as {twice[0]}; run `dvc repro ingest` again")
    return IngestedImages(store, table, found, order, draw)


def load_duplicates(path: Path | None) -> pa.Table:
    """``duplicates.parquet`` without the files that were kept (these are images); empty where there is no such file."""
    if path is None:
        return schema.with_hex_ids(schema.duplicates_schema().empty_table())
    try:
        table = schema.with_hex_ids(pq.read_table(path))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro ingest`") from None
    return table.filter(pc.invert(table["kept"])) if "kept" in table.column_names else table


def write_labeled(path: Path, layout: pa.Schema, images: IngestedImages, rows: I64, labels: npt.NDArray[np.int32]) -> None:
    """Write the images of ``rows``, in the order of their draw, with their ids and classes; ``labels``: (N,) class ids."""
    rows = rows[np.argsort(images.draw[rows], kind="stable")]
    ids = schema.ids_column(images.table["id"].take(rows).to_pylist())
    write_rows(path, layout, images.position[rows], ids, pa.array(labels[rows]))


def write_rows(path: Path, layout: pa.Schema, positions: I64, *more: pa.Array) -> None:
    """Write rows of the store, and further columns."""
    columns = [pa.array(positions.astype(np.uint32)), *more]
    pq.write_table(pa.Table.from_arrays(columns, schema=layout), path, **OPTIONS)


def write_reserved(path: Path, images: IngestedImages, rows: dict[str, I64]) -> None:
    """Write which images wait for a label to join val or test, and which of the two."""
    positions = np.concatenate([np.sort(images.position[some]) for some in rows.values()])
    sets = pa.array([name for name, some in rows.items() for _ in some], pa.string())
    write_rows(path, pa.schema([schema.POSITION, ("set", pa.string())]), positions, sets)


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
