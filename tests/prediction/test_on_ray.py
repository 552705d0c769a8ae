"""Predictions over a Ray cluster of two nodes, with real processes: the answers of one machine, also when a worker is lost."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from infra.cluster.nodes import Nodes
from ssgan.cli.app import run
from ssgan.cluster.tasks import outcome
from ssgan.config import ImageSpec
from ssgan.errors import ConfigError
from ssgan.prediction import inputs
from ssgan.prediction import on_ray as ray_prediction
from ssgan.prediction.classify import PredictionRequest, classify
from ssgan.prediction.inputs import FileInputs
from tests.support.data import blobs, write_data
from tests.support.images import mixture
from tests.support.model_folder import CLASSES, write_model

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def project(ray_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, images of two folders with all that can be wrong with a file, and a pool."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model", "explicit_fake", "compact")
    mixture(tmp_path / "raw")
    spec = ImageSpec(3, 16, "fit")
    write_data(tmp_path, {"labeled": (blobs(150, spec, 3, seed=1)[0], np.zeros(150, np.int64))}, spec, CLASSES)
    return tmp_path


@pytest.mark.parametrize("source", [["raw"], ["--pool", "splits/labeled"]], ids=["files", "pool"])
def test_the_answers_are_those_of_one_machine(project: Path, source: list[str]) -> None:
    for workers in ("local", "ray"):
        command = ["predict", *source, "--model", "model", "--workers", workers, "--part-files", "20"]
        assert run([*command, "--out", workers]) == 0
    for table in ("predicted", "rejected"):
        here, there = (sorted((project / workers / table).iterdir()) for workers in ("local", "ray"))
        assert [path.name for path in here] == [path.name for path in there]
        for a, b in zip(here, there, strict=True):
            assert pq.read_table(a).equals(pq.read_table(b)), a
    assert len(pq.read_table("ray/predicted")) > 60


def test_a_killed_worker_loses_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    def kill_first(*arguments: Any) -> Any:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for process in at_work():
                process.kill()
                killed.append(process.pid)
        return outcome(*arguments)

    monkeypatch.setattr(ray_prediction, "outcome", kill_first)
    request = PredictionRequest(FileInputs("raw"), Path("model"), Path("none.json"), 3, 5, ray=True)
    done = classify(request, Path("ray"))
    assert killed
    assert done.counts == classify(request._replace(ray=False), Path("here")).counts
    assert pq.read_table("ray/predicted").equals(pq.read_table("here/predicted"))


def at_work() -> list[psutil.Process]:
    """Processes, started by this one, that run a task now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == ["ray::ray_prediction_task"]:
                found.append(process)
    return found


def test_a_folder_that_a_node_does_not_share_is_an_error_with_a_remedy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "folder_identity", lambda source: ("another machine", 1, 2))  # of the driver only
    request = PredictionRequest(FileInputs("raw"), Path("model"), Path("none.json"), 3, 5, ray=True)
    with pytest.raises(ConfigError, match=r"does not share '.*raw' with the machine that runs predict; .* s3://"):
        classify(request, Path("ray"))
