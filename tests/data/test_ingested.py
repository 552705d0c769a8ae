"""The arrays that a split works on: sorted by id, looked up by id and path, also where ids begin alike."""

from pathlib import Path

import numpy as np
import pytest

from ssgan.config import ImageSpec
from ssgan.data.image_shards import ImageRow
from ssgan.data.ingested import NO_CLASS, OFFICIAL_TEST, load_images
from ssgan.errors import DataError
from tests.support.data import write_store

SPEC = ImageSpec(1, 8, "fit")
ALIKE = [b"same-64b" + bytes([i] * 24) for i in (9, 3, 250, 0)]  # ids that agree in their first 64 bits


def write(data: Path, ids: list[bytes], shards: int = 1, **columns: str) -> dict[bytes, int]:
    """Images with these ids in the order of the store, 7 to a row group; returns the brightness of each one's pixels."""
    level = {one: 10 + 20 * i for i, one in enumerate(ids)}
    for number in range(shards):
        some = ids[number::shards]
        rows = [ImageRow(one, f"p/{level[one]}.png", 8, 8, "L", columns.get("folder"), columns.get("official")) for one in some]
        pixels = np.stack([np.full((1, 8, 8), level[one], np.uint8) for one in some])
        write_store(data, SPEC, f"{number:05d}.parquet", rows, pixels)
    return level


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_rows_are_in_order_of_ids_whatever_the_shards_and_are_found_by_id_and_path(tmp_path: Path, shards: int) -> None:
    ids = [*ALIKE, bytes(32), b"\xff" * 32, *(bytes([i, 255 - i] * 16) for i in range(20))]
    level = write(tmp_path, ids[:12], shards)
    images = load_images(tmp_path)
    expected = sorted(ids[:12])
    assert [one.tobytes() for one in images.ids()] == expected
    assert images[np.arange(12)][:, 0].tolist() == [level[one] for one in expected]
    wanted = [one.hex() for one in reversed(ids)] + ["no id", "AB" * 32]
    assert images.rows_of_ids(wanted) == {one.hex(): row for row, one in enumerate(expected)}
    assert images.rows_of_paths([f"p/{level[one]}.png" for one in expected[3:9]] + ["p/none.png"]) == {
        f"p/{level[one]}.png": row for row, one in enumerate(expected) if 3 <= row < 9
    }
    rows = np.array([7, 0, 7, 11])
    assert images.values(rows, "path") == [f"p/{level[expected[row]]}.png" for row in rows]
    assert images.signatures().thumbs[:, 0].tolist() == [level[one] for one in expected]


def test_class_folders_and_official_splits_become_numbers(tmp_path: Path) -> None:
    write(tmp_path, [bytes([i] * 32) for i in range(9)], folder="cat", official="test")
    images = load_images(tmp_path)
    assert (images.folders, set(images.folder.tolist()), set(images.official.tolist())) == (["cat"], {0}, {OFFICIAL_TEST})
    write(tmp_path, [bytes([i] * 32) for i in range(9)])
    images = load_images(tmp_path)
    assert (images.folders, set(images.folder.tolist()), set(images.official.tolist())) == ([], {NO_CLASS}, {0})


def test_an_image_in_two_shards_is_named(tmp_path: Path) -> None:
    write(tmp_path, [*ALIKE, ALIKE[0]], shards=2)
    with pytest.raises(DataError, match=f"holds 1 image twice, such as {ALIKE[0].hex()}"):
        load_images(tmp_path)


def test_an_index_of_another_ingest_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ALIKE)
    write(tmp_path / "other", ALIKE[:3])
    (tmp_path / "other/index/00000.parquet").replace(tmp_path / "index/00000.parquet")
    with pytest.raises(DataError, match="not of one ingest"):
        load_images(tmp_path)
