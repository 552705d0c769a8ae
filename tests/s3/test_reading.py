"""Data that is read from S3 while a training lasts: credentials that are replaced in their file, storage that stumbles."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from ray import cloudpickle

from ssgan.data.files import SplitFiles
from ssgan.errors import DataError, StorageError
from ssgan.runs.identity import labeled_ids_sha256
from ssgan.runs.publish import locate_splits, publish
from ssgan.storage.s3_files import PatientFileSystem
from ssgan.storage.store import filesystem
from ssgan.training import experiment
from tests.s3.conftest import FAST, READ_ONLY, write_profile
from tests.support.data import config, context, final_weights, run_of, same, write_splits
from tests.support.faultproxy import FaultProxy

pytestmark = [pytest.mark.s3]
STREAMED = {"memory_budget": 1, "shuffle_row_groups": 1, "prefetch_windows": 1}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, and little that is read ahead."""
    monkeypatch.setattr(PatientFileSystem, "limits", FAST)
    monkeypatch.setattr(PatientFileSystem, "default_block_size", 1024)


@pytest.fixture
def splits(tmp_path: Path) -> SplitFiles:
    """A set that is larger than what is read of a shard when it is opened."""
    return write_splits(tmp_path / "many", unlabeled=3000)


@pytest.fixture
def profile(environment: pytest.MonkeyPatch, keys: dict[str, str], tmp_path: Path) -> Path:
    """The keys lie in a file, as where a tool renews them."""
    path = tmp_path / "credentials"
    write_profile(path, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    return path


@pytest.fixture
def published(s3: str, splits: SplitFiles, profile: Path) -> SplitFiles:
    fs, root = filesystem(s3)
    for name in ("images", "splits"):
        fs.put(str(Path(splits.root).with_name(name)), f"{root}/{name}", recursive=True)
    return SplitFiles(f"{root}/splits", fs)


def test_a_file_that_is_open_goes_on_with_the_keys_of_now(
    proxy: FaultProxy, published: SplitFiles, profile: Path, keys: dict[str, str]
) -> None:
    files = cloudpickle.loads(cloudpickle.dumps(published))  # as it comes to a worker
    assert isinstance(files.fs, PatientFileSystem)
    first = files.store.read([0], ["pixels"])
    fault = proxy.add("status", code=400, s3code="ExpiredToken", signer=keys["AWS_ACCESS_KEY_ID"])
    write_profile(profile, *READ_ONLY)
    assert files.store.read([1], ["pixels"]).num_rows
    assert files.store.read([0], ["pixels"]).equals(first)
    assert fault.hits == 1


def test_a_streamed_training_goes_on_with_renewed_keys_and_changes_no_bit(
    proxy: FaultProxy,
    published: SplitFiles,
    splits: SplitFiles,
    profile: Path,
    keys: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    c = config(loader=STREAMED)
    experiment.train(run_of(c, splits), "main", context(tmp_path / "reference"))
    fault = proxy.add("status", code=400, s3code="ExpiredToken", signer=keys["AWS_ACCESS_KEY_ID"])
    fault.times = 0

    def on_progress(role: str, tick: object) -> None:
        fault.times = -1
        write_profile(profile, *READ_ONLY)

    with caplog.at_level(logging.WARNING, "ssgan.storage"):
        experiment.train(run_of(c, published), "main", replace(context(tmp_path / "streamed"), on_progress=on_progress))
    assert fault.hits
    assert "the credentials have expired (400 ExpiredToken), attempt 2 of" in caplog.text
    assert same(final_weights(tmp_path / "reference"), final_weights(tmp_path / "streamed"))


def test_at_the_end_of_a_job_the_splits_are_read_with_the_keys_of_then(
    proxy: FaultProxy, s3: str, splits: SplitFiles, profile: Path, keys: dict[str, str], tmp_path: Path
) -> None:
    """What ``launch`` reads once more, hours later, to check the results: of what the driver opened when it started."""
    pointer = tmp_path / "published.json"
    pointer.write_text(json.dumps(publish(config(storage={"url": s3}), Path(splits.root))))
    files = locate_splits(config(storage={"url": s3}), tmp_path / "not here", pointer)
    fault = proxy.add("status", code=400, s3code="ExpiredToken", signer=keys["AWS_ACCESS_KEY_ID"])
    write_profile(profile, *READ_ONLY)
    assert labeled_ids_sha256(files) == labeled_ids_sha256(splits)
    assert files.num_rows("labeled") == splits.num_rows("labeled")
    assert fault.hits == 1


def test_keys_that_nobody_renews_end_with_the_remedy(proxy: FaultProxy, published: SplitFiles) -> None:
    assert published.store.read([0], ["pixels"]).num_rows
    proxy.add("status", code=400, s3code="ExpiredToken")
    with pytest.raises(StorageError, match=r"reading .*00000.* failed 5 times: the credentials have expired .*renew"):
        published.store.read([0], ["pixels"])


def test_storage_that_stumbles_is_waited_for(proxy: FaultProxy, published: SplitFiles, splits: SplitFiles) -> None:
    expected = SplitFiles(splits.root).read("val")
    for method in ("HEAD", "GET"):
        proxy.add("status", code=503, s3code="SlowDown", method=method, times=4)
    assert published.read("val").equals(expected)


def test_what_is_not_there_stays_an_answer(published: SplitFiles) -> None:
    assert not published.fs.exists(f"{published.root}/nothing")
    with pytest.raises(DataError, match=r"nothing\.parquet does not exist"):
        published.read("nothing")
