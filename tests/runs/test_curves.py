"""Where curves go: MLflow holds what history.jsonl holds, once, and a training survives its end."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError, TrainingError
from ssgan.runs import curves
from ssgan.runs.launch import requested_run, train
from tests.support.data import config, run_of

METHOD = {"options": {"batch_size": 20, "labeled_batch_size": 6}}


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    url = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return MlflowClient(url)


def parameters(tmp_path: Path, loggers: list[str], **settings: object) -> Config:
    return config(
        train={"loggers": loggers, "twin": True, **settings}, method=METHOD, storage={"url": str(tmp_path / "storage")}
    )


def trained(splits: SplitFiles, tmp_path: Path, *loggers: str, **settings: object) -> dict[str, Any]:
    wanted = parameters(tmp_path, list(loggers), **settings)
    return train(wanted, Path(splits.root), tmp_path / "out", lambda role, event: None)


def history(out: Path, role: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / role / "history.jsonl").read_text().splitlines()]


def runs(database: MlflowClient) -> dict[str, Any]:
    experiment = database.get_experiment_by_name("ssgan")
    assert experiment is not None
    return {run.data.tags[curves.ROLE]: run for run in database.search_runs([experiment.experiment_id])}


def assert_whole(database: MlflowClient, manifest: dict[str, Any], out: Path) -> None:
    found = runs(database)
    assert set(found) == {"main", "twin"}
    for role, run in found.items():
        assert run.info.status == "FINISHED"
        assert run.data.tags[curves.RUN] == manifest["run_id"]
        expected = history(out, role)
        assert expected
        points = database.get_metric_history(run.info.run_id, "val/error_rate")
        assert [(p.step, p.value) for p in points] == [(r["step"], r["val_error_rate"]) for r in expected]
        for term, value in expected[-1]["terms"].items():
            assert run.data.metrics[term] == pytest.approx(value)
    assert found["main"].data.params["train.steps"] == "30"
    assert found["main"].data.params["method.main.name"] == "feature_matching"


def test_mlflow_holds_the_history_of_both_roles(splits: SplitFiles, tmp_path: Path, database: MlflowClient) -> None:
    manifest = trained(splits, tmp_path, "tensorboard", "mlflow")
    assert_whole(database, manifest, tmp_path / "out")
    assert list((tmp_path / "out/main/tensorboard").glob("events.*"))


@pytest.mark.ray
@pytest.mark.slow
def test_records_of_a_worker_of_ray_reach_the_main_process(
    splits: SplitFiles, tmp_path: Path, database: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = trained(splits, tmp_path, "mlflow", backend="ray", cpus_per_worker=1)
    assert_whole(database, manifest, tmp_path / "out")
    assert not (tmp_path / "out/main/tensorboard").exists()


def test_where_curves_go_makes_no_other_run(splits: SplitFiles, tmp_path: Path) -> None:
    ids = {
        requested_run(parameters(tmp_path, loggers), Path(splits.root), tmp_path / "out").id
        for loggers in ([], ["tensorboard"], ["mlflow"])
    }
    assert len(ids) == 1
    trained(splits, tmp_path)
    assert not list((tmp_path / "out").rglob("events.*"))
    assert not list((tmp_path / "storage").rglob("events.*"))


def record(step: int) -> dict[str, Any]:
    speed = {"seconds": 1.0, "images_per_second": 5.0, "data_wait_share": 0.5}
    return {"step": step, **speed, "terms": {"d/loss": float(step)}, "val_error_rate": None, "warnings": []}


def test_a_training_that_goes_on_repeats_nothing(splits: SplitFiles, tmp_path: Path, database: MlflowClient) -> None:
    run = run_of(parameters(tmp_path, ["mlflow"]), splits)

    def interrupted() -> None:
        with curves.recorded(run) as log:
            assert log
            log("main", record(10))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert runs(database)["main"].info.status == "KILLED"
    with curves.recorded(run) as log:
        assert log
        for step in (10, 20):  # those of earlier attempts come again
            log("main", record(step))
    (main,) = runs(database).values()
    assert main.info.status == "FINISHED"
    assert [point.step for point in database.get_metric_history(main.info.run_id, "d/loss")] == [10, 20]


def test_a_server_that_does_not_answer_is_said_before_the_training(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrainingError, match=r"MLflow cannot be reached .* correct MLFLOW_TRACKING_URI"):
        trained(splits, tmp_path, "mlflow")
    assert not list((tmp_path / "storage").rglob("*.safetensors"))


def test_a_server_that_goes_away_ends_no_training(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(MlflowClient, "log_batch", fail)
    assert trained(splits, tmp_path, "mlflow")["steps"] == 30
    assert capsys.readouterr().err.count("warning: MLflow failed (gone); training continues without it") == 1


def test_a_missing_package_is_named_with_what_installs_it(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "mlflow" else find(name, *more))
    with pytest.raises(ConfigError, match=r"`train.loggers` has mlflow, which is not installed; pip install .*\[mlflow\]"):
        trained(splits, tmp_path, "mlflow")
