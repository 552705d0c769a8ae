"""A search with real Ray and real processes: what a driver that is killed costs, and that too large a wish is no wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from infra.cluster.nodes import Nodes
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import TrainingError
from ssgan.training.context import final_key
from ssgan.tuning.search import prepare, search
from tests.support.closure import ROOT
from tests.support.data import config, copied
from tests.support.trials import RATE

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TRIALS = 2
DRAWS = {RATE: {"loguniform": [1e-3, 1e-2]}, "net.noise": {"uniform": [0.3, 1.0]}}


def searching(**tune: Any) -> Config:
    return config(tune={"space": DRAWS, "scheduler": "none", "trials": TRIALS, "max_concurrent": 1, **tune})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cpus_per_trial": 500}, r"no trial fits: each needs 500 CPUs on one machine.*lower tune\.cpus_per_trial"),
        ({"gpus_per_trial": 64.0}, r"no trial fits: each needs 1 CPU and 64 GPUs"),
    ],
)
def test_more_than_there_is_is_an_error_not_a_wait(
    ray_nodes: Nodes, changes: dict[str, Any], sentence: str, splits: SplitFiles, tmp_path: Path
) -> None:
    wish = searching(**changes).model_copy(update={"storage": config(storage={"url": str(tmp_path)}).storage})
    with pytest.raises(TrainingError, match=sentence):
        search(prepare(wish, Path(splits.root)), lambda text: None)


class Project:
    """A folder with parameters and splits, and the tune stage run in it."""

    def __init__(self, folder: Path, splits: SplitFiles) -> None:
        self.folder = folder
        raw = searching().model_dump(include={"train", "method", "net", "tune"}, exclude_none=True)
        folder.mkdir()
        (folder / "params.yaml").write_text(yaml.safe_dump(raw))
        copied(splits, folder / "data")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self.environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ssgan", "tune"]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True)

    def run(self) -> str:
        process = self.start()
        out, _ = process.communicate(timeout=200)
        assert process.returncode == 0, out
        return out

    def ended(self) -> list[Path]:
        return list((self.folder / "storage").glob("tune-*/ended/*/manifest.json"))

    def trained(self) -> dict[Path, int]:
        """When each finished run was stored."""
        return {path: path.stat().st_mtime_ns for path in self.folder.glob(f"storage/{final_key('*', 'main')}/manifest.json")}


def kill_after_the_first_trial(project: Project) -> None:
    """SIGKILL to the driver as soon as one trial has ended; then wait until Ray, which it had started, is gone."""
    driver = project.start()
    while driver.poll() is None and not project.ended():
        time.sleep(0.02)
    theirs = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.communicate()
    _, alive = psutil.wait_procs(theirs, timeout=30)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=10)


@pytest.mark.timeout(400)
def test_a_search_that_was_killed_goes_on_and_repeats_nothing(splits: SplitFiles, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", splits)
    kill_after_the_first_trial(project)
    ended, trained = len(project.ended()), project.trained()
    assert 1 <= ended < TRIALS, "it must have been killed in the middle"
    assert not (project.folder / "reports").exists()

    out = project.run()
    assert f"{ended} of {TRIALS} trials are done" in out
    later = project.trained()
    assert trained.items() <= later.items(), "what was finished was not trained again"
    assert len(later) == TRIALS

    best = yaml.safe_load((project.folder / "reports/tune/best.yaml").read_text())
    table = (project.folder / "reports/tune/leaderboard.csv").read_text().splitlines()
    assert len(table) == 1 + TRIALS
    assert table[1].split(",")[9] == best["run"]
    history = (project.folder / "storage" / final_key(best["run"], "main") / "history.jsonl").read_text().splitlines()
    assert best["score"] == json.loads(history[-1])["val_error_rate"]
    assert {"parallel.png", "importance.png", "leaderboard.md"} <= {p.name for p in (project.folder / "reports/tune").iterdir()}

    out = project.run()
    assert f"{TRIALS} of {TRIALS} trials are done" in out
    assert "at once" not in out, "nothing is left to do, so Ray is not started"
    assert project.trained() == later
