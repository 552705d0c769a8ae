"""The names and types of every data artefact, and the only functions that open them.

Letters: N images, C channels, S image_size (pixels; images are square), K classes.

Pixels are uint8 in C, S, S order, stored as ``fixed_size_binary(C*S*S)``: a list column is 10 to 40 times slower to read
and up to 4 times larger.

    images/*.parquet            IMAGES: one row per accepted distinct image, ordered by id within a shard: id and pixels
    index/*.parquet             INDEX: what is known of the same rows, shard by shard, without their pixels
    rejected.parquet            REJECTED: one row per file that was not accepted
    duplicates.parquet          DUPLICATES: every file of every group of byte-identical files
    splits/labeled.parquet      LABELED: rows of images/, counted over its shards in order, with ids and classes
    splits/unlabeled.parquet    UNLABELED: rows of images/, ascending: no label, no path, no order that could give one away
    splits/val.parquet          LABELED
    splits/test.parquet         LABELED
    splits/reserved.parquet     rows of images/ that wait for a label to join val or test, and which
    splits/split.json           SplitSummary as JSON: counts, class list, hashes of the ids of each set
    splits/classes.json         {"version": 1, "classes": ["cat", "dog"]}: permanent ids are positions; append-only
"""

from __future__ import annotations

import json
import re
from binascii import hexlify
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.errors import DataError

SCHEMA_VERSION = 3
ID_BYTES = 32  # an id is the sha256 of the file's bytes
SETS = ("labeled", "unlabeled", "val", "test")
RESERVED = "reserved"  # beside the sets: images that wait for a label to join val or test
METADATA_KEY = b"ssgan"  # key in the Parquet schema metadata; value is JSON of ImageSpec and more
ROWS_KEY = b"ssgan-rows"  # sha256 over the ids of a shard, in order: two files that agree in it hold the same rows

POSITION = pa.field("position", pa.uint32(), nullable=False)  # row of the store
ID = pa.field("id", pa.binary(ID_BYTES), nullable=False)


def images_schema(spec: ImageSpec, made_by: dict[str, Any]) -> pa.Schema:
    """Schema of ``images/*.parquet``; ``made_by`` says what decoded the pixels."""
    fields = [ID, pa.field("pixels", pa.binary(spec.bytes), nullable=False)]
    return pa.schema(fields, metadata=metadata_of(spec, [], made_by=made_by))


def rejected_schema() -> pa.Schema:
    """Schema of ``rejected.parquet``: ``reason`` is a short code (see ssgan.data.rejections), ``detail`` a sentence."""
    return pa.schema([("path", pa.string()), ("reason", pa.string()), ("detail", pa.string())])


def duplicates_schema() -> pa.Schema:
    """Schema of ``duplicates.parquet``, sorted by id, the kept file first.

    ``kept`` marks the one file of each group of byte-identical files that is in ``images``; the other rows are the
    duplicates. Different ``folder_class`` within an id is a conflict of labels, different ``official_split`` a leak.
    """
    fields = [
        ID,
        pa.field("path", pa.string(), nullable=False),
        pa.field("folder_class", pa.string()),
        pa.field("official_split", pa.string()),
        pa.field("kept", pa.bool_(), nullable=False),
    ]
    return pa.schema(fields)


def labeled_schema(spec: ImageSpec, classes: list[str], store: dict[str, Any]) -> pa.Schema:
    """Schema of the labeled, val and test sets; ``label`` is the permanent class id, ``store`` what a store says of itself."""
    fields = [POSITION, ID, pa.field("label", pa.int32(), nullable=False)]
    return pa.schema(fields, metadata=metadata_of(spec, classes, store=store))


def unlabeled_schema(spec: ImageSpec, classes: list[str], store: dict[str, Any]) -> pa.Schema:
    """Schema of the unlabeled set: no label, no path and no id, by construction."""
    return pa.schema([POSITION], metadata=metadata_of(spec, classes, store=store))


def metadata_of(spec: ImageSpec, classes: list[str], **more: Any) -> dict[bytes, bytes]:
    """What a file says about itself, as ``read_metadata`` reads it."""
    value = {"schema_version": SCHEMA_VERSION, **spec._asdict(), "classes": classes, **more}
    return {METADATA_KEY: json.dumps(value, sort_keys=True).encode()}


def read_metadata(metadata: dict[bytes, bytes] | None, where: str) -> dict[str, Any]:
    """The JSON that ``metadata_of`` wrote. Raises DataError where it is missing or of another version."""
    raw = (metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise DataError(f"{where} was not written by ssgan (no `ssgan` metadata); run `dvc repro ingest split` again")
    value: dict[str, Any] = json.loads(raw)
    if value["schema_version"] != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema version {value['schema_version']}, this code reads {SCHEMA_VERSION}; "
            "run `dvc repro ingest split` again, which decodes the original files once more"
        )
    return value


def spec_of(metadata: dict[str, Any]) -> ImageSpec:
    """The ImageSpec inside the metadata of a shard."""
    return ImageSpec(**{key: metadata[key] for key in ImageSpec._fields})


def shards(folder: str | Path) -> list[Path]:
    """The Parquet files of one set, in order. Raises DataError if there is none."""
    files = sorted(Path(folder).glob("*.parquet"))
    if not files:
        raise DataError(f"{folder} holds no *.parquet file; run the stage that makes it (`dvc repro`)")
    return files


def read_set(folder: str | Path, columns: list[str] | None = None) -> pa.Table:
    """One set as a table with ids as hex, its schema metadata kept (a set without images is one empty shard)."""
    return with_hex_ids(pa.concat_tables([pq.ParquetFile(f).read(columns=columns) for f in shards(folder)]))


def with_hex_ids(table: pa.Table) -> pa.Table:
    """The same table, its ids as people write them: 64 hex digits instead of 32 bytes."""
    if "id" not in table.column_names or table.schema.field("id").type == pa.string():
        return table
    at = table.column_names.index("id")
    return table.set_column(at, pa.field("id", pa.string(), nullable=False), hex_ids(table["id"]))


def hex_ids(column: pa.ChunkedArray) -> pa.Array:
    """(N,) ids of 32 bytes as text of 64 hex digits."""
    text = hexlify(fixed(column).tobytes())
    ends = pa.py_buffer((np.arange(len(column) + 1) * 2 * ID_BYTES).astype(np.int64))
    wide = pa.Array.from_buffers(pa.large_string(), len(column), [None, ends, pa.py_buffer(text)])
    return wide.cast(pa.string())


def ids_column(texts: Iterable[str]) -> pa.Array:
    """Hex ids as 32 bytes each; what is no sha256 is left out."""
    return pa.array([bytes.fromhex(one) for one in texts if re.fullmatch("[0-9a-f]{64}", one)], pa.binary(ID_BYTES))


def fixed(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint8]:
    """(N, width) uint8 of a column of fixed width without nulls; a view where it is one chunk."""
    width = column.type.bit_width // 8
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [
        np.frombuffer(one.buffers()[1], np.uint8, len(one) * width, one.offset * width).reshape(-1, width)
        for one in chunks
        if len(one)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty((0, width), np.uint8), *parts])


def binary(rows: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """(N, width) uint8 as a fixed-size binary column; contiguous rows are not copied."""
    buffer = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(rows.shape[1]), len(rows), [None, buffer])


def pixels_to_numpy(column: pa.ChunkedArray | pa.Array, spec: ImageSpec) -> npt.NDArray[np.uint8]:
    """(N, C, S, S) uint8 of a pixels column, a view where it is one chunk."""
    return fixed(column).reshape(-1, *spec.shape)


def numpy_to_pixels(images: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Inverse of ``pixels_to_numpy`` for (N, C, S, S) uint8."""
    return binary(images.reshape(len(images), int(np.prod(images.shape[1:]))))
