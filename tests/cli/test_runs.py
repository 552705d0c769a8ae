"""All runs, from git, from experiments and from the workspace: each once, with what it cost, in a table and on a page."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ssgan.cli.app import run
from ssgan.errors import DataError
from ssgan.project.runs import runs
from ssgan.project.stage_times import RUNS, note
from ssgan.report.runs import render

BEGIN = 1_790_000_000  # seconds since 1970
WEEK = 7 * 86400
HOSTILE = "red<b>"


def metrics(name: str, error: float, labels: int = 40, gain: float | None = 0.05) -> dict[str, Any]:
    one = {"error_rate": error, "error_rate_low": error / 2, "error_rate_high": error * 2}
    measured = {"error_rate": gain, "low": gain - 0.01, "high": gain + 0.01, "verdict": "gain"} if gain is not None else None
    return {
        "run_id": name,
        "main": one,
        "twin": {**one, "error_rate": error + gain} if gain is not None else None,
        "gain": measured,
        "images": {"test": 350},
        "budget": {"label_budget": labels},
    }


class Repository:
    """A project under git, a commit a week."""

    def __init__(self, root: Path) -> None:
        self.root, self.weeks = root, 0
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        date = f"{BEGIN + self.weeks * WEEK} +0000"
        who = {"NAME": "x", "EMAIL": "x@y", "DATE": date}
        by = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        subprocess.run(["git", "-C", str(self.root), *arguments], check=True, env={**os.environ, **by})

    def write(self, found: dict[str, Any], method: str = "feature_matching", steps: int = 2000) -> None:
        (self.root / "metrics").mkdir(exist_ok=True)
        (self.root / "metrics/evaluate.json").write_text(json.dumps(found))
        (self.root / "metrics/train.json").write_text(json.dumps({"run_id": found["run_id"], "steps": steps}))
        (self.root / "params.yaml").write_text(f"method: {{name: {method}}}\n")

    def commit(self, found: dict[str, Any], method: str = "feature_matching") -> None:
        self.write(found, method)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", found["run_id"])
        self.weeks += 1


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    return Repository(tmp_path)


def test_each_evaluation_is_there_once_in_the_order_of_time(repository: Repository) -> None:
    repository.commit(metrics("run-a", 0.2))
    repository.commit(metrics("run-b", 0.1, labels=80), "teacher_gan")
    repository.commit(metrics("run-a", 0.2))  # back again
    repository.write(metrics("run-c", 0.3, gain=None), "supervised", steps=10)
    note("run-b", 90.0, RUNS)
    rows = runs(Path())
    assert [(row.run_id, row.method, row.labels) for row in rows] == [
        ("run-a", "feature_matching", 40),
        ("run-b", "teacher_gan", 80),
        ("run-c", "supervised", 40),
    ]
    assert rows[0].when < rows[1].when
    assert rows[2].name == "workspace"
    assert [(row.steps, row.seconds) for row in rows] == [(2000, None), (2000, 90.0), (10, None)]
    shown = ["teacher gan", "80", "10.0% (5.0% to 20.0%)", "5.0 (4.0 to 6.0)", "helped", "2,000 steps, 2 min"]
    assert rows[1].cells()[2:] == shown
    assert rows[2].cells()[5:7] == ["–", "not measured"]


def test_an_experiment_has_its_name(repository: Repository) -> None:
    repository.commit(metrics("run-a", 0.2))
    repository.commit(metrics("run-b", 0.1))
    repository.git("update-ref", "refs/exps/ab/cdef/wider-net", "HEAD")
    repository.git("reset", "-q", "--hard", "HEAD^")
    assert [row.name for row in runs(Path())][1:] == ["wider-net"]


def test_refs_of_a_running_experiment_are_no_experiments(repository: Repository) -> None:
    """While `dvc exp run` runs, and afterward, refs/exps/exec/ names the commit that it started from."""
    repository.commit(metrics("run-a", 0.2))
    repository.git("update-ref", "refs/exps/exec/EXEC_HEAD", "HEAD")
    commit = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert [row.name for row in runs(Path())] == [commit.strip()]


def test_steps_of_another_training_are_not_claimed(repository: Repository) -> None:
    repository.write(metrics("run-a", 0.2))
    Path("metrics/train.json").write_text(json.dumps({"run_id": "run-b", "steps": 7}))
    assert runs(Path())[0].steps is None


def test_without_git_the_workspace_is_there_and_without_metrics_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="nothing was evaluated yet; run `dvc repro`"):
        runs(tmp_path)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/evaluate.json").write_text(json.dumps(metrics("run-a", 0.2)))
    assert [row.name for row in runs(tmp_path)] == ["workspace"]


def test_the_table_and_the_page(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.commit(metrics("run-a", 0.2))
    repository.commit(metrics("run-b", 0.1, labels=1200))
    repository.git("update-ref", f"refs/exps/ab/cdef/{HOSTILE}", "HEAD")
    Path("params.yaml").write_text("{}\n")
    assert run(["runs"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "%" in line][1:] == [HOSTILE]
    assert "10.0% (5.0% to 20.0%)" in out
    page = Path("reports/runs/index.html").read_text(encoding="utf-8")
    assert "2 runs; the newest has a test error of 10.0%" in page
    assert page.index("red&lt;b&gt;</bdi></td>") < page.index("20.0% (10.0% to 40.0%)"), "the newest first"
    assert HOSTILE not in page
    assert "<svg" in page
    assert Path("reports/runs/errors.png").stat().st_size > 1000
    assert run(["runs", "--json"]) == 0
    assert [row["labels"] for row in json.loads(capsys.readouterr().out)] == [40, 1200]


def test_the_same_runs_give_the_same_page(repository: Repository) -> None:
    repository.commit(metrics("run-a", 0.2))
    for name in ("one", "two"):
        render(runs(Path()), 0.95, Path(name))
    assert Path("one/index.html").read_bytes() == Path("two/index.html").read_bytes()
