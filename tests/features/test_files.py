"""Reading features: a few of many, in any order, from several shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.data.schema import binary
from ssgan.errors import DataError
from ssgan.features.files import FeatureFiles, layout, write_shard
from tests.support.data import BACKBONE

VIEWS = 2
SHARDS = [[5, 1, 4], [7], [2, 2, 2, 2]]  # rows of the row groups


@pytest.fixture
def written(tmp_path: Path) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float16]]]:
    """Ids and features (N, V, D) of what is in ``tmp_path``."""
    random = np.random.default_rng(0)
    total = sum(map(sum, SHARDS))
    ids = random.integers(0, 256, (total, 32), np.uint8)
    rows = random.normal(size=(total, VIEWS, BACKBONE.dimension)).astype(np.float16)
    shape, start = layout(BACKBONE, VIEWS), 0
    for number, sizes in enumerate(SHARDS):
        tables = []
        for size in sizes:
            some = slice(start, start + size)
            columns = [binary(ids[some]), binary(rows[some].reshape(size, -1).view(np.uint8))]
            tables.append(pa.Table.from_arrays(columns, schema=shape))
            start += size
        write_shard(tmp_path / f"{number:05d}.parquet", shape, tables)
    return [bytes(one).hex() for one in ids], rows


def test_any_images_are_read_in_the_order_asked_for(written: Any, tmp_path: Path) -> None:
    ids, rows = written
    files = FeatureFiles(str(tmp_path))
    for seed, count in enumerate((1, 3, 11, len(ids))):
        some = np.random.default_rng(seed).permutation(len(ids))[:count]
        assert np.array_equal(files.read([ids[i] for i in some]), rows[some])
        assert np.array_equal(files.read([ids[i] for i in some], views=1), rows[some, :1])
    assert np.array_equal(files.read([ids[3], ids[19], ids[3]]), rows[[3, 19, 3]]), "also one of them twice"
    assert files.read([]).shape == (0, VIEWS, BACKBONE.dimension)


def test_only_row_groups_that_hold_a_wanted_image_are_read(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, rows = written
    files, read = FeatureFiles(str(tmp_path)), []
    original = pq.ParquetFile.read_row_group

    def read_row_group(self: pq.ParquetFile, number: int, *rest: Any, **options: Any) -> pa.Table:
        read.append(number)
        return original(self, number, *rest, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    assert np.array_equal(files.read([ids[21], ids[5], ids[22]]), rows[[21, 5, 22]])
    assert read == [1, 2]
    (tmp_path / "00000.parquet").unlink()
    assert np.array_equal(files.read([ids[12]]), rows[[12]]), "the index is made once"


def test_groups_are_all_rows_in_order(written: Any, tmp_path: Path) -> None:
    ids, rows = written
    found = list(FeatureFiles(str(tmp_path)).groups())
    assert [len(have) for have, _ in found] == [size for sizes in SHARDS for size in sizes]
    assert [bytes(one).hex() for have, _ in found for one in have] == ids
    assert np.array_equal(np.concatenate([part for _, part in found]), rows.reshape(len(ids), -1))


def test_images_without_features_are_told(written: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 images have no features in .*, such as ab{11}\.\.\.; run `dvc repro features`"):
        FeatureFiles(str(tmp_path)).read([written[0][0], "a" + "b" * 63, "c" * 64])
