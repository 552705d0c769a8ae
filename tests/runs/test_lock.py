"""One training at a time: in a project, and of a run in storage that several machines share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import HeldError, TrainingError
from ssgan.runs import identity
from ssgan.runs.launch import train
from ssgan.runs.lock import only_training
from ssgan.storage.lease import Claim, Claims, held
from ssgan.storage.store import open_store
from ssgan.training import loop, step
from tests.support.data import config


def here(folder: Path) -> Config:
    return config(train={"twin": True, "steps": 20, "checkpoint_every": 5}, storage={"url": str(folder / "storage")})


def test_a_second_training_in_a_project_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / ".ssgan/training.lock"
    refusal = pytest.raises(TrainingError, match=rf"another training .*process {os.getpid()}, since \d\d:\d\d")
    with only_training(path), refusal, only_training(path):
        pass
    with only_training(path):
        pass


def test_a_run_that_another_machine_trains_is_refused(splits: SplitFiles, tmp_path: Path) -> None:
    """Two projects with storage in common; the claim of another process is renewed while we look."""
    c = here(tmp_path)
    name = identity.run_id(identity.identity(c, splits))
    with held(c.storage.url, name, 1.0), pytest.raises(HeldError, match=f"{name} is being trained by process {os.getpid()}"):
        train(c, Path(splits.root), tmp_path / "out", lambda role, event: None)
    assert not (tmp_path / "storage" / "checkpoints" / name / "main").exists()
    assert train(c, Path(splits.root), tmp_path / "out", lambda role, event: None)["steps"] == 20


def test_a_run_that_was_taken_over_stops_before_its_next_write(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = here(tmp_path)
    store = open_store(c.storage.url)
    name = identity.run_id(identity.identity(c, splits))
    claims = Claims(store.objects, store.limits, name)
    real = step.run_step

    def run_step(method: Any, optimizers: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        if batch.step == 12:
            claims.make(claims.newest()[0] + 1, Claim("successor", 60.0, host="elsewhere", pid=7))
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)
    with pytest.raises(HeldError, match=f"{name} was taken over by process 7 on elsewhere"):
        train(c, Path(splits.root), tmp_path / "out", lambda role, event: None)
    stored = store.keys(f"checkpoints/{name}/main")  # the one of step 10 may still have been on its way
    assert stored[0] == f"checkpoints/{name}/main/step-00000005"
    assert stored[-1] <= f"checkpoints/{name}/main/step-00000010"
    newest = claims.newest()[1]
    assert newest
    assert (newest.token, newest.released) == ("successor", False), "it is not ours to release"
