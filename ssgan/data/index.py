"""``index/*.parquet``: what is known of the images besides their pixels, row by row as in ``images/*.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.data.schema import ID, ROWS_KEY, fixed, ids_column, metadata_of, shards
from ssgan.data.signatures import THUMB, Signatures
from ssgan.data.store import ImageStore
from ssgan.errors import DataError
from ssgan.wording import counted


def index_schema(spec: ImageSpec, made_by: dict[str, Any]) -> pa.Schema:
    """Schema of ``index/*.parquet``. It names no classes: their list may grow.

    ``height``, ``width``, ``mode`` and ``bits`` (of a sample) describe the raw file; ``folder_class`` is the class folder that
    the file lay in (null: none); ``official_split`` is "train" or "test" where the source has an official split (null: none);
    ``low`` and ``high`` are the lowest and the highest value that came out, padding aside; ``damaged`` says that it decoded,
    but not as it was stored (``data.damaged: accept``); ``phash``, ``thumb`` and ``digest`` are the signatures of the stored
    pixels (``ssgan.data.signatures``); ``draw`` is a hash of the id that decides on val and test (``ssgan.data.digests``).
    """
    fields = [
        ID,
        pa.field("path", pa.string(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("folder_class", pa.string()),
        pa.field("official_split", pa.string()),
        pa.field("bits", pa.uint8(), nullable=False),
        pa.field("low", pa.uint8(), nullable=False),
        pa.field("high", pa.uint8(), nullable=False),
        pa.field("damaged", pa.bool_(), nullable=False),
        pa.field("phash", pa.uint64(), nullable=False),
        pa.field("thumb", pa.binary(THUMB * THUMB), nullable=False),
        pa.field("digest", pa.uint64(), nullable=False),
        pa.field("draw", pa.uint64(), nullable=False),
    ]
    return pa.schema(fields, metadata=metadata_of(spec, [], made_by=made_by))


def signatures_of(index: pa.Table) -> Signatures:
    """Those of the N rows of an index."""
    phash, digest = (fixed(index[name]).view(np.uint64)[:, 0] for name in ("phash", "digest"))
    return Signatures(phash, fixed(index["thumb"]), digest)


def paths_of(index: Path, ids: Sequence[str]) -> dict[str, str]:
    """Paths of some images within their source, from the index of ``ingest``. Raises DataError where one is missing."""
    wanted = ids_column(sorted(set(ids)))
    found: dict[str, str] = {}
    for shard in shards(index):
        for batch in pq.ParquetFile(shard).iter_batches(columns=["id", "path"]):
            rows = batch.filter(pc.is_in(batch["id"], value_set=wanted))
            found.update(zip(map(bytes.hex, rows["id"].to_pylist()), rows["path"].to_pylist(), strict=True))
    missing = set(ids) - found.keys()
    if missing:
        raise DataError(
            f"{index} lacks {counted(len(missing), 'image')} of data/splits, such as {min(missing)}; run `dvc repro split`"
        )
    return found


def paths_of_rows(index: Path, store: ImageStore, start: int, stop: int) -> list[str]:
    """Paths of the rows [start, stop) of a store. Raises DataError where the index is not of the same ingest."""
    found: list[str] = []
    before = 0
    for shard in store.shards:
        first, last = max(start - before, 0), min(stop - before, shard.footer.num_rows)
        before += shard.footer.num_rows
        if first < last:
            with pq.ParquetFile(index / Path(shard.path).name) as file:
                if file.schema_arrow.metadata[ROWS_KEY].decode() != shard.rows:
                    raise DataError(f"{store.root} and {index} are not of one ingest; run `dvc repro ingest` again")
                found += file.read(columns=["path"])["path"].slice(first, last - first).to_pylist()
    return found


def with_paths(images: pa.Table, index: Path) -> pa.Table:
    """A table of images by hex id, with the column path. Raises DataError like ``paths_of``."""
    ids = images["id"].to_pylist()
    known = paths_of(index, ids)
    return images.append_column("path", pa.array([known[one] for one in ids], pa.string()))
