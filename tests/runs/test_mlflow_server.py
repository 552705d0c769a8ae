"""Curves on a real MLflow server of this machine, also one that goes away while a training runs."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.s3.weed import free_ports
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.runs import curves
from ssgan.runs.launch import train
from ssgan.training.context import ProgressEvent, Role
from tests.support.data import config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("mlflow", "flask")), reason="the MLflow server is not installed"
    ),
]
START_S = 120  # its imports alone take seconds
PATIENCE_S = 60  # of a training whose server is gone; by itself, the client would try for minutes


class Server:
    """``mlflow server`` with a database in a folder, in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_ports(30_000, 32_000)}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", self.url.rpartition(":")[2]]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health", timeout=5).ok
        return False

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def ask(self, path: str, **query: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=query, timeout=30)
        assert answer.ok, answer.text
        return dict(answer.json())

    def history(self, run: str, metric: str) -> list[tuple[int, float]]:
        query = {"run_id": run, "metric_key": metric}
        answer = requests.get(f"{self.url}/api/2.0/mlflow/metrics/get-history", params=query, timeout=30)
        return [(int(point["step"]), float(point["value"])) for point in answer.json()["metrics"]]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    started = Server(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", started.url)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    yield started
    started.stop()


def parameters(tmp_path: Path) -> Config:
    return config(train={"loggers": ["mlflow"], "twin": True}, storage={"url": str(tmp_path / "storage")})


def quiet(role: Role, event: ProgressEvent) -> None:
    pass


def test_every_record_is_on_the_server(server: Server, splits: SplitFiles, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = train(parameters(tmp_path), Path(splits.root), out, quiet)
    (experiment,) = server.ask("experiments/search", max_results=10, filter="name = 'ssgan'")["experiments"]
    found = server.ask("runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    assert len(found) == 2
    for run in found:
        tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        assert (tags[curves.RUN], run["info"]["status"]) == (manifest["run_id"], "FINISHED")
        records = [json.loads(line) for line in (out / tags[curves.ROLE] / "history.jsonl").read_text().splitlines()]
        sent = server.history(run["info"]["run_id"], "val/error_rate")
        assert sent == [(record["step"], record["val_error_rate"]) for record in records]


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_server_that_is_gone_in_the_middle_costs_a_warning(
    server: Server, splits: SplitFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    at: list[float] = []

    def on_progress(role: Role, event: ProgressEvent) -> None:
        if role == "twin" and not at:
            at.append(time.monotonic())
            server.signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)

    manifest = train(parameters(tmp_path), Path(splits.root), tmp_path / "out", on_progress)
    assert at, "the server was there when the second training began"
    assert time.monotonic() - at[0] < PATIENCE_S
    assert manifest["twin"]
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: MLflow failed")]
    assert len(warnings) == 1
    assert warnings[0].endswith("training continues without it")
