"""S3 as a source, through an in-memory file system that fails on demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssgan.config import DataConfig, S3Source
from ssgan.data.images import ingest
from ssgan.data.sources import make_source, s3
from ssgan.data.sources.folder import Folder
from ssgan.errors import DataError, StorageError
from tests.support.images import blob, ingested, write
from tests.support.memory_bucket import bucket

LIMIT = 1 << 20


def listed(source: Any) -> dict[str, tuple[str | None, str | None]]:
    return {item.path: (item.folder_class, item.official_split) for item in source.items()}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(s3, "LONGEST_WAIT_S", 0.0)


def test_a_prefix_gives_the_same_rows_as_the_same_folder(tmp_path: Path) -> None:
    files = {f"{c}/{n}.png": blob(n) for n, c in enumerate(["a", "a-b", "a", "b"])} | {
        "a/bad": b"text",
        "b/.x": b"",
        "a/twin": blob(0),
    }
    config = DataConfig(image_size=8)
    local = ingest(Folder(str(write(tmp_path / "raw", files))), config, tmp_path / "local")
    remote = ingest(bucket(files), config, tmp_path / "remote")
    assert local.metrics() == remote.metrics()
    for name in ("images/00000.parquet", "rejected.parquet", "duplicates.parquet"):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "remote" / name).read_bytes()


def test_passing_trouble_is_waited_out() -> None:
    source = bucket({"1": b"one"})
    trouble: list[Exception | None] = [OSError("503 SlowDown"), TimeoutError(), PermissionError("throttled in disguise"), None]
    source._fs.failures = {"find": [*trouble], "bucket/some/prefix/1": [*trouble]}
    assert [source.read(item, LIMIT) for item in source.items()] == [b"one"]


def test_lasting_trouble_ends_the_stage_and_leaves_nothing(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": blob(2)})
    source._fs.failures = {"bucket/some/prefix/2": [OSError("500")]}
    with pytest.raises(StorageError, match="cannot read 2 after 5 attempts"):
        ingest(source, DataConfig(image_size=8), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_bad_object_does_not_end_the_stage(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": blob(2), "3": blob(3)})
    assert len(list(source.items())) == 3
    del source._fs.objects["bucket/some/prefix/2"]
    source._fs.failures = {"bucket/some/prefix/3": [PermissionError("403")]}
    summary = ingest(source, DataConfig(image_size=8), tmp_path / "out", workers=1)
    assert summary.rejected == {"vanished": 1, "unreadable": 1}
    assert ingested(tmp_path / "out").num_rows == 1


@pytest.mark.parametrize("first", ["1", "find"])
def test_credentials_that_end_are_not_bad_files(first: str) -> None:
    source = bucket({"1": b"one", "2": b"two"})
    items = [] if first == "find" else list(source.items())
    for item in items[:1]:
        source.read(item, LIMIT)
    source._fs.failures = {key: [PermissionError("expired")] for key in ("find", *source._fs.objects)}
    with pytest.raises(StorageError, match="renew the credentials"):
        list(source.items()) if first == "find" else source.read(items[1], LIMIT)


def test_no_object_is_read_that_is_too_large(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": bytes(5000)})
    source._fs.failures = {"bucket/some/prefix/2": [AssertionError("must not be read")]}
    summary = ingest(source, DataConfig(image_size=8, max_file_bytes=4000), tmp_path / "out")
    assert summary.rejected == {"too_large_file": 1}


def test_an_empty_prefix_and_a_given_file_system() -> None:
    with pytest.raises(DataError, match="contains no objects"):
        list(bucket({}).items())
    assert listed(make_source(S3Source(url="s3://bucket/some/prefix"), bucket({"1": b""})._fs)) == {"1": (None, None)}
