"""What is read of the image store, and how much at once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ssgan.config import ImageSpec
from ssgan.data import store
from ssgan.data.store import ImageStore
from tests.support.data import blobs, write_data


@pytest.mark.parametrize("wanted", [np.arange(0, 400, 10), np.arange(400), np.array([3, 399])])
def test_a_few_rows_of_many_row_groups_read_no_more_at_once_than_all_of_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> None:
    spec = ImageSpec(1, 8, "fit")
    images, _ = blobs(400, spec, 2, seed=0)
    write_data(tmp_path, {"unlabeled": (images, None)}, spec, [], group=10)
    known, reads = ImageStore(str(tmp_path / "images")), list[int]()
    every, read = known.pixels(np.arange(400)), ImageStore.read

    def counted(self: ImageStore, groups: list[int], columns: list[str]) -> pa.Table:
        reads.append(10 * spec.bytes * len(groups))
        return read(self, groups, columns)

    monkeypatch.setattr(ImageStore, "read", counted)
    monkeypatch.setattr(store, "READ_BYTES", 40 * spec.bytes)
    assert np.array_equal(known.pixels(wanted), every[wanted])
    assert max(reads) <= 40 * spec.bytes
    assert sum(reads) == 10 * spec.bytes * len(np.unique(wanted // 10))
