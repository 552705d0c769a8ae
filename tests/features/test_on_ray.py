"""Features over a Ray cluster of two nodes, with real processes: those of one machine, also when a worker or node is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from infra.cluster.nodes import Nodes
from ssgan import backbones
from ssgan.cli.app import run
from ssgan.config import DataConfig, FeaturesConfig, FolderSource
from ssgan.data.decode import DecodeLimits
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.errors import DataError
from ssgan.features import on_ray as ray_features
from ssgan.features.compute import TOLERANCE, FeatureJob, here
from ssgan.features.extract import FeatureSummary, extract
from ssgan.features.files import FeatureFiles
from tests.support.features import ids_of, write_images
from tests.support.ray_cluster import WORKER

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = FeaturesConfig(backbone="efficientnet_lite0")
IMAGES = 48


@pytest.fixture
def nodes(ray_nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """A cluster of two, where a task gets three images, so that there are many."""
    monkeypatch.setattr(ray_features, "BATCH_VIEWS", 3)
    return ray_nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, an ingest, and the features that this machine makes."""
    folder = tmp_path_factory.mktemp("features")
    write_images(folder / "raw", range(IMAGES))
    ingest(make_source(FolderSource(path=str(folder / "raw"))), DataConfig(image_size=8, channels=3), folder / "data")
    pool = here(lambda: backbones.load(*backbones.find(CONFIG)), kind="threads")
    extract(job_of(folder), folder / "data/index", folder / "here", pool)
    return folder


def job_of(folder: Path) -> FeatureJob:
    backbone, _ = backbones.find(CONFIG)
    source = make_source(FolderSource(path=str(folder / "raw")))
    return FeatureJob(source, backbone, 1, DecodeLimits.of(DataConfig()))


def on_ray(folder: Path, out: Path, **options: Any) -> FeatureSummary:
    pool = ray_features.ray_pool(FolderSource(path=str(folder / "raw")), CONFIG)
    return extract(job_of(folder), folder / "data/index", out, pool, **options)


def require_same(folder: Path, out: Path) -> None:
    """The same rows as of this machine, and features within the tolerance."""
    theirs, ours = FeatureFiles(str(out)), FeatureFiles(str(folder / "here"))
    assert [ids.tobytes() for ids, _ in theirs.groups()] == [ids.tobytes() for ids, _ in ours.groups()]
    there, local = (files.read(ids_of(folder)).astype(float) for files in (theirs, ours))
    np.testing.assert_allclose(there, local, *TOLERANCE)


def at_work() -> list[psutil.Process]:
    """Processes, started by this one, that run a task now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == ["ray::ray_features_task"]:
                found.append(process)
    return found


def test_two_nodes_share_the_work_and_make_the_same_rows(nodes: Nodes, folder: Path, tmp_path: Path) -> None:
    seen: set[int] = set()
    told: list[tuple[int, int]] = []

    def look(done: int, total: int) -> None:
        told.append((done, total))
        seen.update(process.ppid() for process in at_work())

    assert on_ray(folder, tmp_path / "ray", progress=look).computed == IMAGES
    require_same(folder, tmp_path / "ray")
    assert told == [(done, IMAGES) for done in range(3, IMAGES + 1, 3)]
    assert len(seen) == 2


def test_a_killed_worker_loses_nothing(nodes: Nodes, folder: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        for process in at_work()[: 1 - len(killed)]:
            process.kill()
            killed.append(process.pid)

    on_ray(folder, tmp_path / "ray", progress=kill_one)
    assert killed
    require_same(folder, tmp_path / "ray")


def test_an_original_that_changed_ends_the_stage_and_it_goes_on_when_it_is_back(
    nodes: Nodes, folder: Path, tmp_path: Path
) -> None:
    path = folder / "raw/030.png"
    before = path.read_bytes()
    path.write_bytes(before + b"more")
    try:
        with pytest.raises(DataError, match=r"'030\.png' has changed, since data/index was made"):
            on_ray(folder, tmp_path / "ray")
    finally:
        path.write_bytes(before)
    told: list[int] = []
    on_ray(folder, tmp_path / "ray", progress=lambda done, total: told.append(total))
    assert told[0] == IMAGES - 30, "tasks before it are not computed again"
    require_same(folder, tmp_path / "ray")


def test_the_stage_does_so_where_params_ask_for_ray(
    ray_nodes: Nodes, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").symlink_to(folder / "raw")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/index").symlink_to(folder / "data/index")
    (tmp_path / "params.yaml").write_text(
        "data: {source: {kind: folder, path: raw}, image_size: 8, channels: 3}\n"
        "features: {backbone: efficientnet_lite0, workers: ray}\n"
    )
    assert run(["features"]) == 0
    assert f"of {IMAGES} images; {IMAGES} new" in capsys.readouterr().out
    (out,) = filter(Path.is_dir, (tmp_path / "data/features").iterdir())
    require_same(folder, out)


def test_a_lost_node_loses_nothing(nodes: Nodes, folder: Path, tmp_path: Path) -> None:
    removed: list[int] = []

    def remove(done: int, total: int) -> None:
        if done >= 9 and not removed:
            removed.append(done)
            nodes.kill(WORKER)

    on_ray(folder, tmp_path / "ray", progress=remove)
    assert removed
    require_same(folder, tmp_path / "ray")
