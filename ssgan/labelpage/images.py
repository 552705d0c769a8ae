"""The queue of ``ssgan label``, and the bytes of its images.

A browser gets the raw file where it lies on this machine and is of a kind that browsers show; otherwise the pixels that
``ingest`` stored, which are small but always there.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from ssgan.data import schema
from ssgan.data.labels import examples
from ssgan.errors import DataError

KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


class Place(NamedTuple):
    """Where an image is: its path within the source, and its row in the shards of ``ingest``."""

    path: str
    shard: Path
    group: int
    row: int


def read_queue(path: Path) -> list[str]:
    """The column sha256 of a CSV file, in order, each once. Raises DataError where there is none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; choose images first: `ssgan next --budget 200`") from None
    if not rows or "sha256" not in rows[0]:
        raise DataError(f"{path} names no image: it needs a column `sha256` and a line for each image, as `ssgan next` writes")
    return list(dict.fromkeys(row["sha256"].strip().lower() for row in rows))


class Images:
    """Finds and reads the images of a queue.

    Args:
        shards: data/images.
        source: the folder of raw files; None: they are not on this machine.

    Raises:
        DataError: an image was not ingested.
    """

    def __init__(self, queue: Sequence[str], shards: Path, source: Path | None) -> None:
        self._source = source
        self._places = _find(queue, shards)
        missing = [image for image in queue if image not in self._places]
        if missing:
            raise DataError(
                f"{len(missing)} images of the queue were not ingested: {examples(missing)}; run `dvc repro ingest`, "
                "or choose images anew with `ssgan next`"
            )

    def read(self, image: str) -> tuple[str, bytes] | None:
        """Content type and bytes; None where the queue does not hold the image."""
        place = self._places.get(image)
        if place is None:
            return None
        kind = KINDS.get(Path(place.path).suffix.lower())
        if kind and self._source is not None:
            try:
                data = (self._source / place.path).read_bytes()
            except OSError:  # moved or gone since ingest, which does not matter here
                data = b""
            if hashlib.sha256(data).hexdigest() == image:
                return kind, data
        return "image/png", _stored(place)


def _find(queue: Sequence[str], shards: Path) -> dict[str, Place]:
    wanted = pa.array(sorted(set(queue)), pa.string())
    found: dict[str, Place] = {}
    for shard in schema.shards(shards):
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["id", "path"])
                for row in pc.indices_nonzero(pc.is_in(table["id"], value_set=wanted)).to_pylist():
                    found[table["id"][row].as_py()] = Place(table["path"][row].as_py(), shard, group, row)
    return found


def _stored(place: Place) -> bytes:
    with pq.ParquetFile(place.shard) as file:
        spec = schema.spec_of(schema.read_metadata(file.schema_arrow, str(place.shard)))
        column = file.read_row_group(place.group, columns=["pixels"])["pixels"].slice(place.row, 1)
    pixels = schema.pixels_to_numpy(column, spec)[0]
    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if spec.channels == 1 else pixels.transpose(1, 2, 0).copy()).save(buffer, "PNG")
    return buffer.getvalue()
