"""What travels to the tasks of `features` over Ray, and what a task does with it; no Ray is started."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from ssgan import backbones
from ssgan.config import DataConfig, FeaturesConfig, FolderSource
from ssgan.data import remote as data_remote
from ssgan.data.decode import DecodeLimits
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.errors import ConfigError, DataError
from ssgan.features.compute import TOLERANCE, FeatureJob, Worker, here
from ssgan.features.extract import extract
from ssgan.features.files import FeatureFiles
from ssgan.features.originals import Original, Originals
from ssgan.features.parts import Parts
from ssgan.features.remote import open_worker, ray_features_task, remote_features
from tests.support.features import ids_of, write_images

CONFIG = FeaturesConfig(backbone="efficientnet_lite0", views=2)


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """What a process keeps from task to task is dropped."""
    open_worker.cache_clear()
    data_remote.open_job.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven images, after an ingest."""
    folder = tmp_path_factory.mktemp("remote")
    write_images(folder / "raw", range(7))
    ingest(make_source(source_of(folder)), DataConfig(image_size=8, channels=3), folder / "data")
    return folder


def source_of(folder: Path) -> FolderSource:
    return FolderSource(path=str(folder / "raw"))


def job_of(folder: Path, batch: int | None = None) -> FeatureJob:
    backbone, _ = backbones.find(CONFIG)
    return FeatureJob(make_source(source_of(folder)), backbone, CONFIG.views, DecodeLimits.of(DataConfig()), batch)


def originals_of(folder: Path, job: FeatureJob, scratch: Path) -> list[Original]:
    scratch.mkdir()
    ids = np.frombuffer(bytes.fromhex("".join(ids_of(folder))), np.uint8).reshape(-1, 32)
    parts = Parts(scratch, {"00000.parquet": ids}, 8)
    return list(Originals(folder / "data/index", parts).listed(job.source))


def test_a_task_computes_what_this_machine_does(folder: Path, tmp_path: Path) -> None:
    job = job_of(folder)
    sent = pickle.loads(pickle.dumps(remote_features(source_of(folder), CONFIG, job)))
    assert len(pickle.dumps(sent)) < 4000, "neither weights nor a listing"
    originals = originals_of(folder, job, tmp_path / "scratch")
    there = ray_features_task(sent, originals).view(np.float16)
    pool = here(lambda: backbones.load(*backbones.find(CONFIG)), kind="threads")
    extract(job, folder / "data/index", tmp_path / "out", pool)
    local = FeatureFiles(str(tmp_path / "out")).read([one.digest.hex() for one in originals])
    rtol, atol = TOLERANCE
    np.testing.assert_allclose(there.reshape(local.shape).astype(float), local.astype(float), rtol, atol)


@pytest.mark.parametrize("batch", [1, 3, 5, 16])
def test_features_depend_on_who_shares_a_pass_within_the_tolerance(batch: int, folder: Path, tmp_path: Path) -> None:
    job = job_of(folder)
    originals = originals_of(folder, job, tmp_path / "scratch")
    network = backbones.load(*backbones.find(CONFIG))
    worker = Worker(job, network, threading.Semaphore(1))
    alone = np.concatenate([worker([one]) for one in originals]).view(np.float16).astype(float)
    parts = [worker(originals[i : i + batch]) for i in range(0, len(originals), batch)]
    rtol, atol = TOLERANCE
    np.testing.assert_allclose(np.concatenate(parts).view(np.float16).astype(float), alone, rtol, atol)
    assert np.abs(alone).max() > 100 * atol, "else the tolerance would hold for anything"


def test_a_node_with_other_weights_is_an_error(folder: Path) -> None:
    job = job_of(folder)
    sent = remote_features(source_of(folder), CONFIG, job)
    other = dataclasses.replace(job.backbone, sha256="0" * 64)
    sentence = r"has weights of efficientnet_lite0 with sha256 579344248a93\.\.\., but features was started with 000000000000"
    with pytest.raises(DataError, match=sentence):
        ray_features_task(sent._replace(backbone=other), [])
    other = dataclasses.replace(job.backbone, size=160, crop_share=0.9)
    with pytest.raises(DataError, match="has another size, crop_share of efficientnet_lite0 than features was started with"):
        ray_features_task(sent._replace(backbone=other), [])


def test_a_node_without_weights_is_an_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = CONFIG.model_copy(update={"backbone": "timm:tf_efficientnet_lite0", "weights": "gone.pth"})
    sent = remote_features(source_of(folder), config, job_of(folder))
    assert sent.config.weights == str(tmp_path / "gone.pth"), "tasks run in another folder"
    with pytest.raises(ConfigError, match=r"the Ray node \S+ says: `features\.weights` is '.*gone\.pth', which is not a file"):
        ray_features_task(sent, [])


def test_a_node_that_does_not_share_the_folder_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = remote_features(source_of(folder), CONFIG, job_of(folder))
    monkeypatch.setattr(data_remote, "folder_identity", lambda source: ("another machine", 1, 2))
    with pytest.raises(ConfigError, match=r"which the Ray node .* runs features; .*\{kind: s3.*set features\.workers to local"):
        ray_features_task(sent, [])
