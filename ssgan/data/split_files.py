"""Files of a split: sets of rows of the image store. Letters: N images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan import atomic
from ssgan.data import schema
from ssgan.data.digests import Digests
from ssgan.data.ingested import IngestedImages
from ssgan.data.store import I64
from ssgan.errors import DataError

OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": ["set"],
    "column_encoding": {"position": "DELTA_BINARY_PACKED"},  # ascending numbers: some bits each
    "write_statistics": False,
    "write_page_checksum": True,
}


def load_copies(path: Path | None) -> pa.Table:
    """``duplicates.parquet`` without the files that were kept (these are images); empty where there is no such file."""
    if path is None:
        return schema.duplicates_schema().empty_table()
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro ingest`") from None
    return table.filter(pc.invert(table["kept"]))


def load_duplicates(path: Path | None) -> pa.Table:
    """``load_copies`` with ids as hex."""
    return schema.with_hex_ids(load_copies(path))


def write_labeled(
    path: Path, layout: pa.Schema, images: IngestedImages, ids: Digests, rows: I64, labels: npt.NDArray[np.int32]
) -> None:
    """Write the images of ``rows``, in the order of their draw, with ids and classes; ``ids``, ``labels``: of all N images."""
    rows = rows[np.argsort(images.draw[rows], kind="stable")]
    write_rows(path, layout, images.position[rows], schema.binary(ids[rows]), pa.array(labels[rows]))


def write_rows(path: Path, layout: pa.Schema, positions: npt.NDArray[Any], *more: pa.Array) -> None:
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
