"""A whole training with its checkpoints in S3: the results are those of a folder, whatever S3 does on the way."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssgan.core.batch import Batch
from ssgan.data.files import SplitFiles
from ssgan.errors import StorageError
from ssgan.runs.launch import train
from ssgan.storage.retries import RetryLimits
from ssgan.storage.store import filesystem, open_store
from ssgan.training import experiment, loop, step
from ssgan.training.context import RunContext
from tests.s3.conftest import FAST, Server
from tests.support.data import config, context, final_weights, run_of, same
from tests.support.faultproxy import FaultProxy

GONE_SECONDS = 3.0
pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


def s3_context(url: str) -> RunContext:
    return RunContext(open_store(url, FAST), torch.device("cpu"), lambda role, event: None)


def final_weights_in(url: str, folder: Path) -> dict[str, torch.Tensor]:
    open_store(url, FAST).get("run/main/final", folder / "run/main/final")
    return final_weights(folder)


def boards(temporary: Path) -> list[Path]:
    return list(temporary.glob("ssgan-scratch-*/tensorboard-*/**/events.*"))


def test_train_stage_with_storage_in_s3(s3: str, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    c = config(train={"twin": True, "steps": 20}, storage={"url": s3})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    events: list[Path] = []
    manifest = train(c, Path(splits.root), tmp_path / "runs/train", lambda role, event: events.extend(boards(tmp_path)))
    assert manifest["steps"] == 20
    assert events, "TensorBoard can look while it trains"
    assert not list(tmp_path.glob("ssgan-*/*")), "and nothing stays"
    assert list((tmp_path / "runs/train/main/tensorboard").glob("events.*"))
    assert (tmp_path / "runs/train/twin/last/model.safetensors").exists()
    assert open_store(s3).keys(f"checkpoints/{manifest['run_id']}/main")


def test_slow_and_cut_answers_change_no_bit(s3: str, proxy: FaultProxy, splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "reference"))
    proxy.add(kind="status", code=503, s3code="SlowDown", method="PUT", path="checkpoints", times=2)
    proxy.add(kind="cut_request", after=1000, method="PUT", path="checkpoints", times=2)
    proxy.add(kind="drop_after", method="PUT", path="manifest", times=1)
    experiment.train(run_of(config(), splits), "main", s3_context(s3))
    assert sum(1 for entry in proxy.log if entry[2]) >= 4, "the faults must have been met"
    proxy.clear()
    assert same(final_weights(tmp_path / "reference"), final_weights_in(s3, tmp_path / "back"))


def test_a_server_that_is_gone_for_seconds_changes_no_bit(
    s3: str,
    s3_server: Server,
    mortal: Callable[[], None],
    splits: SplitFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Killed before a checkpoint is saved, and back a while later: the training waits, says so, and loses nothing."""
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "reference"))
    real, back = step.run_step, threading.Timer(GONE_SECONDS, s3_server.start)

    def run_step(method: Any, optimizers: Any, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        if batch.step == 15:
            mortal()
            back.start()
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)
    patient = open_store(
        s3, RetryLimits(attempts=60, first_wait_s=0.1, longest_wait_s=0.5, connect_timeout_s=1, read_timeout_s=2)
    )
    waiting = RunContext(patient, torch.device("cpu"), lambda role, event: None)
    try:
        experiment.train(run_of(config(), splits), "main", waiting)
    finally:
        back.join()
    assert "storage cannot be reached, or hung up, attempt 2 of 60" in caplog.text
    assert same(final_weights(tmp_path / "reference"), final_weights_in(s3, tmp_path / "back"))


def test_a_permanent_refusal_stops_the_run_and_the_last_checkpoint_stays(
    s3: str, proxy: FaultProxy, splits: SplitFiles, tmp_path: Path
) -> None:
    fault = proxy.add(kind="status", code=403, s3code="AccessDenied", method="PUT", path="step-00000020")
    with pytest.raises(StorageError, match="s3:PutObject"):
        experiment.train(run_of(config(), splits), "main", s3_context(s3))
    assert fault.hits
    proxy.clear()
    assert open_store(s3, FAST).keys("checkpoints/run/main") == ["checkpoints/run/main/step-00000010"]
    experiment.train(run_of(config(), splits), "main", s3_context(s3))
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "reference"))
    assert same(final_weights(tmp_path / "reference"), final_weights_in(s3, tmp_path / "back"))


def test_a_corrupted_checkpoint_is_not_resumed_from(
    s3: str, proxy: FaultProxy, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flipped byte on the way is fetched again; the resumed run equals the one that was never stopped."""
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "reference"))
    real = step.run_step

    def stop(method: Any, optimizers: Any, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        if batch.step == 25:
            raise KeyboardInterrupt
        return real(method, optimizers, batch, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_step", stop)
        with pytest.raises(KeyboardInterrupt):
            experiment.train(run_of(config(), splits), "main", s3_context(s3))
    fault = proxy.add(kind="corrupt", method="GET", path=r"trainer\.safetensors", after=5000, times=1)
    experiment.train(run_of(config(), splits), "main", s3_context(s3))
    assert fault.hits
    proxy.clear()
    assert same(final_weights(tmp_path / "reference"), final_weights_in(s3, tmp_path / "back"))


def test_streaming_from_s3_equals_streaming_from_a_folder(s3: str, splits: SplitFiles, tmp_path: Path) -> None:
    """The unlabeled set read by row groups from S3."""
    c = config(loader={"memory_budget": 1, "shuffle_row_groups": 2})
    experiment.train(run_of(c, splits), "main", context(tmp_path / "reference"))
    fs, root = filesystem(s3)
    for name in ("images", "splits"):
        fs.put(str(Path(splits.root).with_name(name)), f"{root}/{name}", recursive=True)
    experiment.train(run_of(c, SplitFiles(f"{root}/splits", fs)), "main", context(tmp_path / "streamed"))
    assert same(final_weights(tmp_path / "reference"), final_weights(tmp_path / "streamed"))
