"""Training on Ray, with real processes: what it computes, what a killed worker costs, how it says no."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import psutil
import pytest

from infra.cluster.nodes import Nodes
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import HeldError, TrainingError
from ssgan.runs import on_ray as ray_train
from ssgan.storage.lease import Guard
from ssgan.training import experiment
from ssgan.training.context import ProgressEvent, Role
from tests.support.data import config, context, final_weights, run_of, same
from tests.support.ranks import run_ranks

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STEPS = 400


def ray_config(storage: Path, **train: object) -> Config:
    return config(
        train={"backend": "ray", "cpus_per_worker": 1, "steps": STEPS, "val_every": 100, "checkpoint_every": 20, **train},
        storage={"url": str(storage)},
    )


def train_on_rank(root: str, folder: str) -> None:
    """The same run without Ray."""
    experiment.train(run_of(ray_config(Path(folder), num_workers=2), SplitFiles(root)), "main", context(Path(folder)))


def descendants(word: str) -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


def kill_a_worker(storage: Path, killed: list[int]) -> None:
    """Once there is a checkpoint, kill one training worker (a process that this test started)."""
    end = time.monotonic() + 120
    while time.monotonic() < end and not list(storage.glob("checkpoints/run/main/*/manifest.json")):
        time.sleep(0.02)
    for process in descendants("RayTrainWorker")[:1]:
        process.kill()
        killed.append(process.pid)


def test_a_killed_worker_changes_no_bit(splits: SplitFiles, tmp_path: Path) -> None:
    """Two Ray workers, one of them killed in the middle, against two plain processes that were left alone."""
    reference = tmp_path / "reference"
    reference.mkdir()
    run_ranks(train_on_rank, 2, tmp_path, splits.root, str(reference))

    storage, killed, events, actors = tmp_path / "ray", list[int](), list[tuple[Role, int]](), set[str]()
    others = descendants("raylet")  # of clusters that other tests share
    killer = threading.Thread(target=kill_a_worker, args=(storage, killed))
    killer.start()

    def on_progress(role: Role, event: ProgressEvent) -> None:
        events.append((role, event.step))
        with contextlib.suppress(psutil.Error):  # one that ends meanwhile
            actors.update(process.name()[:15] for process in descendants("ray::"))  # so much the kernel keeps

    ray_train.train_roles(run_of(ray_config(storage, num_workers=2), splits), ["main"], on_progress)
    killer.join()
    assert killed, "the test must have killed a worker"
    assert same(final_weights(reference), final_weights(storage))
    assert events[-1] == ("main", STEPS), "progress reaches the driver"
    assert descendants("raylet") == others, "the local Ray ends with the run"
    assert "ray::RayTrainWo" in actors
    unwanted = {"ray::TrainContr", "ray::DatasetMan", "ray::PlacementG", "ray::_Autoscali"}
    assert not actors & unwanted, "each actor is a process, and a wait at the start"


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ({"num_workers": 500}, r"`train\.num_workers` is 500 with 1 CPUs each, but the cluster has room for \d+"),
        ({"device": "cuda", "num_workers": 100}, r"`train\.num_workers` is 100 with train\.device 'cuda'.* \d+ GPUs"),
    ],
)
def test_more_than_there_is_is_an_error_not_a_wait(
    ray_nodes: Nodes, train: dict[str, object], sentence: str, splits: SplitFiles, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        ray_train.train_roles(run_of(ray_config(tmp_path, **train), splits), ["main"], lambda role, event: None)


def test_an_error_that_trying_again_cannot_mend_comes_back_as_itself(
    ray_nodes: Nodes, splits: SplitFiles, tmp_path: Path
) -> None:
    c = ray_config(tmp_path)
    c = c.model_copy(update={"method": c.method.model_copy(update={"options": {"learning_rate": 1e30}})})
    with pytest.raises(TrainingError, match=r"step \d+: .* is not finite"):
        ray_train.train_roles(run_of(c, splits), ["main"], lambda role, event: None)


def test_a_worker_whose_driver_lost_the_run_writes_nothing(ray_nodes: Nodes, splits: SplitFiles, tmp_path: Path) -> None:
    run = run_of(ray_config(tmp_path), splits)
    with pytest.raises(HeldError, match=f"{run.id} was taken over by another process"):
        ray_train.train_roles(run, ["main"], lambda role, event: None, None, Guard(run.id, 1, "never made"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_no_cluster_at_ray_address(splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(TrainingError, match=r"RAY_ADDRESS is '127\.0\.0\.1:1', but nothing answers there"):
        ray_train.train_roles(run_of(ray_config(tmp_path), splits), ["main"], lambda role, event: None)
