"""The names and types of every data artefact, and the only functions that open them.

Letters: N images, C channels, S image_size (pixels; images are square), K classes.

Pixels are uint8 in C, S, S order, stored as ``fixed_size_binary(C*S*S)``: a list column is 10 to 40 times slower to read
and up to 4 times larger.

    images/*.parquet            IMAGES: one row per accepted distinct image, ordered by id within a shard
    rejected.parquet            REJECTED: one row per file that was not accepted
    duplicates.parquet          DUPLICATES: every file of every group of byte-identical files
    splits/labeled/*.parquet    LABELED
    splits/unlabeled/*.parquet  UNLABELED: no label, and no path that could give one away
    splits/val/*.parquet        LABELED
    splits/test/*.parquet       LABELED
    splits/split.json           SplitSummary as JSON: counts, class list, hashes of the ids of each set
    splits/classes.json         {"version": 1, "classes": ["cat", "dog"]}: permanent ids are positions; append-only
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.errors import DataError

SCHEMA_VERSION = 1
SETS = ("labeled", "unlabeled", "val", "test")
RESERVED = "reserved.parquet"  # beside the sets: images that wait for a label to join val or test
METADATA_KEY = b"ssgan"  # key in the Parquet schema metadata; value is JSON of ImageSpec and more


def images_schema(spec: ImageSpec, made_by: dict[str, Any]) -> pa.Schema:
    """Schema of ``images/*.parquet``; ``made_by`` says what decoded the pixels. It names no classes: their list may grow.

    ``id`` is the hex sha256 of the file's bytes; ``height``, ``width`` and ``mode`` describe the raw file; ``folder_class``
    is the class folder that the file lay in (null: none); ``official_split`` is "train" or "test" where the source has an
    official split (null: none); ``phash`` is the 64-bit perceptual hash of the stored pixels.
    """
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("folder_class", pa.string()),
        pa.field("official_split", pa.string()),
        pa.field("phash", pa.uint64(), nullable=False),
        pa.field("pixels", pa.binary(spec.bytes), nullable=False),
    ]
    return pa.schema(fields, metadata=_metadata(spec, [], made_by=made_by))


def rejected_schema() -> pa.Schema:
    """Schema of ``rejected.parquet``: ``reason`` is a short code (see ssgan.data.rejections), ``detail`` a sentence."""
    return pa.schema([("path", pa.string()), ("reason", pa.string()), ("detail", pa.string())])


def duplicates_schema() -> pa.Schema:
    """Schema of ``duplicates.parquet``, sorted by id, the kept file first.

    ``kept`` marks the one file of each group of byte-identical files that is in ``images``; the other rows are the
    duplicates. Different ``folder_class`` within an id is a conflict of labels, different ``official_split`` a leak.
    """
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("folder_class", pa.string()),
        pa.field("official_split", pa.string()),
        pa.field("kept", pa.bool_(), nullable=False),
    ]
    return pa.schema(fields)


def labeled_schema(spec: ImageSpec, classes: list[str]) -> pa.Schema:
    """Schema of the labeled, val and test sets; ``label`` is the permanent class id."""
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("pixels", pa.binary(spec.bytes), nullable=False),
    ]
    return pa.schema(fields, metadata=_metadata(spec, classes))


def unlabeled_schema(spec: ImageSpec, classes: list[str]) -> pa.Schema:
    """Schema of the unlabeled set: no label and no path, by construction."""
    fields = [pa.field("id", pa.string(), nullable=False), pa.field("pixels", pa.binary(spec.bytes), nullable=False)]
    return pa.schema(fields, metadata=_metadata(spec, classes))


def _metadata(spec: ImageSpec, classes: list[str], **more: Any) -> dict[bytes, bytes]:
    value = {"schema_version": SCHEMA_VERSION, **spec._asdict(), "classes": classes, **more}
    return {METADATA_KEY: json.dumps(value, sort_keys=True).encode()}


def read_metadata(schema: pa.Schema, where: str) -> dict[str, Any]:
    """The JSON that ``_metadata`` wrote. Raises DataError where it is missing or of another version."""
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise DataError(f"{where} was not written by ssgan (no `ssgan` metadata); run `dvc repro ingest split` again")
    value: dict[str, Any] = json.loads(raw)
    if value["schema_version"] != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema version {value['schema_version']}, this code reads {SCHEMA_VERSION}; "
            "run `dvc repro ingest split` again"
        )
    return value


def spec_of(metadata: dict[str, Any]) -> ImageSpec:
    """The ImageSpec inside the metadata of a shard."""
    return ImageSpec(metadata["channels"], metadata["image_size"], metadata["resize"])


def shards(folder: str | Path) -> list[Path]:
    """The Parquet files of one set, in order. Raises DataError if there is none."""
    files = sorted(Path(folder).glob("*.parquet"))
    if not files:
        raise DataError(f"{folder} holds no *.parquet file; run the stage that makes it (`dvc repro`)")
    return files


def read_set(folder: str | Path, columns: list[str] | None = None) -> pa.Table:
    """One set as a table, its schema metadata kept (a set without images is one empty shard)."""
    return pa.concat_tables([pq.read_table(f, columns=columns) for f in shards(folder)])


def pixels_to_numpy(column: pa.ChunkedArray | pa.Array, spec: ImageSpec) -> npt.NDArray[np.uint8]:
    """(N, C, S, S) uint8 view of a pixels column; zero copies for one chunk."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks of zero chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    n = len(array)
    flat = np.frombuffer(array.buffers()[1], dtype=np.uint8) if n else np.zeros(0, np.uint8)
    start = array.offset * spec.bytes
    return flat[start : start + n * spec.bytes].reshape(n, *spec.shape)


def numpy_to_pixels(images: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Inverse of ``pixels_to_numpy`` for (N, C, S, S) uint8."""
    n, size = images.shape[0], int(np.prod(images.shape[1:]))
    buffer = pa.py_buffer(np.ascontiguousarray(images).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), n, [None, buffer])
