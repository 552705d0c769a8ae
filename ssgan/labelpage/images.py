"""The queue of ``ssgan label``, and the bytes of its images.

A browser gets the original file, from wherever the source is, if it still is what was ingested. Otherwise it gets the pixels
that ``ingest`` stored, which are small but always there, and the reason: no one should label a thumbnail without knowing it.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.ingested import examples
from ssgan.data.rejections import Rejected
from ssgan.errors import DataError, SsganError
from ssgan.labelpage.browser import for_browser, png, small
from ssgan.wording import counted


class ImageLocation(NamedTuple):
    """Where an image is: its path within the source, and its row in the shards of ``ingest``."""

    path: str
    shard: Path
    row: int


class ServedImage(NamedTuple):
    """What a browser gets. note: why it is not the original; empty where it is."""

    kind: str
    data: bytes
    note: str


def read_queue(path: Path) -> dict[str, str]:
    """The column sha256 of a CSV file, in order, with the cluster of each ("": none). Raises DataError where there is none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; choose images first: `ssgan next --budget 200`") from None
    if not rows or "sha256" not in rows[0]:
        raise DataError(f"{path} has no images: it needs a column `sha256` and a line for each image, as `ssgan next` writes")
    return {row["sha256"].strip().lower(): (row.get("cluster") or "").strip() for row in rows}


class QueueImages:
    """Finds and reads the images of a queue.

    Args:
        data: the folder with the ``images/`` and ``index/`` of ``ingest``.
        original: from a path within the source to the bytes of that file; an SsganError says why they cannot be had.

    Raises:
        DataError: an image was not ingested.
    """

    def __init__(self, queue: Collection[str], data: Path, original: Callable[[str], bytes]) -> None:
        self._original = original
        self._small: dict[str, str] = {}
        self._places = _find(queue, data)
        self._deep_bits = _spec(schema.shards(data / "images")[0]).deep_bits
        missing = [image for image in queue if image not in self._places]
        if missing:
            raise DataError(
                f"{counted(len(missing), 'image of the queue was', 'images of the queue were')} not ingested: "
                f"{examples(missing)}; run `dvc repro ingest`, or choose images anew with `ssgan next`"
            )

    def read(self, image: str, on_sheet: bool = False) -> ServedImage | None:
        """What to show, of a size for a sheet if it is for one; None where the queue does not hold the image."""
        place = self._places.get(image)
        if place is None:
            return None
        try:
            data = self._original(place.path)
            if hashlib.sha256(data).hexdigest() != image:
                raise DataError("the file has changed since it was ingested")
            shown = ServedImage(*(small if on_sheet else for_browser)(data, self._deep_bits), "")
        except SsganError as error:
            self._small[image] = error.detail if isinstance(error, Rejected) else str(error)
            return _stored(place, self._small[image])
        self._small.pop(image, None)
        return shown

    def small(self) -> Counter[str]:
        """Reasons why images were not shown as originals when they were read last, with the number of images."""
        return Counter(self._small.values())


def _find(queue: Collection[str], data: Path) -> dict[str, ImageLocation]:
    wanted = schema.ids_column(sorted(set(queue)))
    found: dict[str, ImageLocation] = {}
    for shard in schema.shards(data / "index"):
        table = pq.read_table(shard, columns=["id", "path"])
        for row in pc.indices_nonzero(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            place = ImageLocation(table["path"][row].as_py(), data / "images" / shard.name, row)
            found[table["id"][row].as_py().hex()] = place
    return found


def _spec(shard: Path) -> ImageSpec:
    return schema.spec_of(schema.read_metadata(pq.read_schema(shard).metadata, str(shard)))


def _stored(place: ImageLocation, why: str) -> ServedImage:
    with pq.ParquetFile(place.shard) as file:
        spec = _spec(place.shard)
        group, start = 0, 0
        while start + file.metadata.row_group(group).num_rows <= place.row:
            start += file.metadata.row_group(group).num_rows
            group += 1
        column = file.read_row_group(group, columns=["pixels"])["pixels"].slice(place.row - start, 1)
    pixels = schema.pixels_to_numpy(column, spec)[0]
    size = f"{spec.image_size} × {spec.image_size}"
    data = png(pixels[0] if spec.channels == 1 else pixels.transpose(1, 2, 0))
    return ServedImage("image/png", data, f"Only the small copy that ingest stored, {size} pixels. The original: {why}")
