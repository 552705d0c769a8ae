"""What travels to the tasks of a Ray ingest, and what a task does with it; no Ray is started."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ssgan.cluster import tasks
from ssgan.cluster.connection import set_environment
from ssgan.cluster.tasks import ErrorText, outcome
from ssgan.config import DigitsSource, FolderSource, ImageSpec, S3Source, Source, TorchvisionSource
from ssgan.data import on_ray as ray_ingest
from ssgan.data.decode import DecodeLimits
from ssgan.data.remote import RemoteJob, _joined, open_job, ray_ingest_task, remote_job
from ssgan.data.sources import Item, make_source
from ssgan.data.workers import DecodeJob, Prepared, prepare, prepared
from ssgan.errors import ConfigError, DataError, StorageError
from ssgan.storage.store import filesystem
from tests.support.images import blob, write
from tests.support.memory_bucket import bucket

SPEC, LIMITS = ImageSpec(1, 8, "fit"), DecodeLimits(10**6, 10**6)
ITEMS = [Item("a"), Item("b"), Item("c")]
TEXTS = ErrorText("the 2 files", "do it here", "take less")


def recipe(source: Source) -> RemoteJob:
    return remote_job(source, DecodeJob(make_source(source), SPEC, LIMITS))


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """What a process keeps from task to task is dropped."""
    open_job.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> FolderSource:
    files = {f"{n:02d}.png": blob(n) if n % 4 else b"bad" for n in range(23)}
    return FolderSource(path=str(write(tmp_path / "raw", files)))


@pytest.fixture
def exceptions() -> Any:
    """Ray's, which must not be imported before its environment is set."""
    set_environment()
    from ray import exceptions

    return exceptions


def same(one: Any, other: Any) -> bool:
    """Whether two fields of ``Prepared`` are equal."""
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("size", [1, 4, 23, 30])
def test_parts_are_joined_to_what_one_call_makes(folder: FolderSource, size: int) -> None:
    job = DecodeJob(make_source(folder), SPEC, LIMITS)
    items = list(job.source.items())
    parts = [prepare(job, items[i : i + size]) for i in range(0, len(items), size)]
    whole, joined = prepare(job, items), _joined(parts, size)
    assert len(whole.rejected) == 6
    for name in Prepared._fields:
        assert same(getattr(joined, name), getattr(whole, name)), name


def test_threads_within_a_task_change_nothing(folder: FolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(make_source(folder).items())
    one = ray_ingest_task(recipe(folder), items)
    monkeypatch.setattr("ssgan.data.sources.folder.Folder.threads", 5)
    open_job.cache_clear()
    several = ray_ingest_task(recipe(folder), items)
    for name in Prepared._fields:
        assert same(getattr(one, name), getattr(several, name)), name


BUCKET = S3Source(url="s3://bucket/some/prefix")


def test_neither_credentials_nor_the_listing_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYKEYKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETSECRET")
    opened = bucket({f"{n:05d}.png": b"" for n in range(5000)})
    opened._fs.client = filesystem(BUCKET.url)[0]
    sent = pickle.dumps(remote_job(BUCKET, DecodeJob(opened, SPEC, LIMITS)))
    assert b"s3://bucket/some/prefix" in sent
    assert b"KEYKEYKEY" not in sent
    assert b"SECRETSECRET" not in sent
    assert len(sent) < 2000


@pytest.mark.parametrize("forbidden", [["2"], ["1", "2", "3"]], ids=["one object", "all objects"])
def test_a_fresh_process_tells_a_forbidden_object_from_credentials_of_no_use(
    forbidden: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: blob(int(name)) for name in "123"}
    sent = remote_job(BUCKET, DecodeJob(bucket(files), SPEC, LIMITS))
    node = bucket(files)
    node._fs.failures = {f"bucket/some/prefix/{name}": [PermissionError("403")] * 9 for name in forbidden}
    monkeypatch.setattr("ssgan.data.remote.make_source", lambda source: node)
    if len(forbidden) == 1:
        assert [reason for _, reason, _ in ray_ingest_task(sent, [Item("2")]).rejected] == ["unreadable"]
    else:
        with pytest.raises(StorageError, match="renew the credentials"):
            ray_ingest_task(sent, [Item("2")])


def test_relative_folders_are_found_from_another_folder(
    folder: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sent = recipe(FolderSource(path="raw"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(ray_ingest_task(sent, [Item("01.png")]).accepted) == 1


def test_a_task_fetches_no_data_set_and_writes_none(tmp_path: Path) -> None:
    source = TorchvisionSource(dataset="MNIST", root=str(tmp_path), download=True)
    sent = remote_job(source, DecodeJob(SimpleNamespace(), SPEC, LIMITS))
    assert sent.source == source.model_copy(update={"download": False})
    digits = DigitsSource(path=str(tmp_path / "digits"))
    there = recipe(digits)
    os.rename(tmp_path / "digits", tmp_path / "moved")
    with pytest.raises(ConfigError, match="does not share"):
        ray_ingest_task(there, ITEMS)
    assert not (tmp_path / "digits").exists()


def test_a_folder_of_the_same_name_on_another_machine_is_another_folder(folder: FolderSource) -> None:
    sent = recipe(folder)
    assert sent.folder is not None
    for place in [("another boot", *sent.folder[1:]), (*sent.folder[:2], sent.folder[2] + 1), None]:
        with pytest.raises(ConfigError, match=r"data\.source\.path is '.*raw', .* set data\.workers to local"):
            ray_ingest_task(sent._replace(folder=place), ITEMS)


def test_a_node_with_another_decoder_is_an_error(folder: FolderSource) -> None:
    sent = recipe(folder)
    versions = tuple((name, "0.0.1" if name == "pillow" else value) for name, value in sent.versions)
    with pytest.raises(DataError, match=r"has pillow \S+, but ingest was started with 0\.0\.1"):
        ray_ingest_task(sent._replace(versions=versions), ITEMS)


def test_a_failure_of_storage_comes_back_as_itself(exceptions: Any) -> None:
    def get(reference: Any, timeout: float) -> Any:
        raise exceptions.RayTaskError("f", "trace", StorageError("the bucket is gone"))

    with pytest.raises(StorageError, match=r"^the bucket is gone$"):
        outcome(SimpleNamespace(get=get, exceptions=exceptions), lambda: 1, None, TEXTS)  # type: ignore[arg-type]


def test_a_cluster_that_lost_all_of_its_nodes_is_not_waited_for(exceptions: Any) -> None:
    waits = []

    def get(reference: Any, timeout: float) -> Any:
        waits.append(timeout)
        raise exceptions.GetTimeoutError

    with pytest.raises(DataError, match="lost all of its CPUs"):
        outcome(SimpleNamespace(get=get, exceptions=exceptions), lambda: 3 - len(waits), None, TEXTS)  # type: ignore[arg-type]
    assert len(waits) == 3


def test_a_cluster_without_a_cpu_is_an_error_not_a_wait(folder: FolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def connected(object_store_bytes: int) -> Iterator[Any]:
        yield SimpleNamespace(cluster_resources=lambda: {"memory": 1.0})

    monkeypatch.setattr(tasks, "connected", connected)
    with pytest.raises(DataError, match="the cluster at RAY_ADDRESS has no CPU"):
        list(prepared(DecodeJob(make_source(folder), SPEC, LIMITS), remote_pool=ray_ingest.ray_pool(folder)))
