"""Exact resume: killed at any step and started again equals never killed, bit for bit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from ssgan import experiment
from ssgan import method as methods
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import CheckpointError, StorageError
from ssgan.runtime.storage import open_store
from ssgan.training import loop
from tests.ranks import run_ranks
from tests.support import config, edge, final_weights, same, short


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends right before step ``step``."""
    real = loop.run_step

    def run_step(method, optimizers, batch, *args, **kwargs):  # type: ignore[no-untyped-def]
        if batch.step == step:
            raise KilledError
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("memory_budget", [1 << 30, 1])
def test_killed_and_resumed_equals_never_killed(
    name: str, memory_budget: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = config(
        method=short(name),
        loader={"memory_budget": memory_budget, "shuffle_row_groups": 2},
        augment={"shift_px": 1},
    )
    same_when_killed(c, random.Random(name).randrange(11, 30), splits, tmp_path, monkeypatch)


def same_when_killed(c: Config, step: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed before ``step`` and started again ends with the bits, and the history, of one left alone."""
    experiment.train(c, splits, "main", edge(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(KilledError):
            experiment.train(c, splits, "main", edge(tmp_path / "broken"))
    experiment.train(c, splits, "main", edge(tmp_path / "broken"))
    assert same(final_weights(tmp_path / "whole"), final_weights(tmp_path / "broken"))
    assert errors(tmp_path / "whole") == errors(tmp_path / "broken")


def errors(folder: Path) -> list[tuple[int, float, dict[str, float]]]:
    """Everything in the history but the clock."""
    lines = (folder / "run/main/final/history.jsonl").read_text().splitlines()
    return [(r["step"], r["val_error_rate"], r["terms"]) for r in map(json.loads, lines)]


def train_on_rank(root: str, folder: str, die_at: int) -> str:
    """One rank of a run; ``die_at`` -1: to the end. Returns how it ended."""
    c = config(train={"num_workers": 2}, method={"options": {"batch_size": 20, "labeled_batch_size": 6, "augment": True}})
    real = loop.run_step

    def run_step(method, optimizers, batch, *args, **kwargs):  # type: ignore[no-untyped-def]
        if batch.step == die_at:
            raise KilledError
        return real(method, optimizers, batch, *args, **kwargs)

    loop.run_step = run_step
    try:
        experiment.train(c, SplitFiles(root), "main", edge(Path(folder)))
    except KilledError:
        return "killed"
    finally:
        loop.run_step = real
    return "done"


def test_two_ranks_killed_and_resumed(splits: SplitFiles, tmp_path: Path) -> None:
    whole, broken = str(tmp_path / "whole"), str(tmp_path / "broken")
    assert run_ranks(train_on_rank, 2, tmp_path, splits.root, whole, -1) == ["done", "done"]
    assert run_ranks(train_on_rank, 2, tmp_path, splits.root, broken, 23) == ["killed", "killed"]
    assert run_ranks(train_on_rank, 2, tmp_path, splits.root, broken, -1) == ["done", "done"]
    assert same(final_weights(Path(whole)), final_weights(Path(broken)))


def test_refuses_a_checkpoint_of_another_run(splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_at(15, monkeypatch)
    with pytest.raises(KilledError):
        experiment.train(config(), splits, "main", edge(tmp_path, params={"train": {"seed": 1}}, data="x"))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"params\.train\.seed is 1 there and 2 here"):
        experiment.train(config(), splits, "main", edge(tmp_path, params={"train": {"seed": 2}}, data="x"))


def test_a_damaged_checkpoint_is_passed_over_and_said(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.train(config(), splits, "main", edge(tmp_path / "whole"))
    killed_at(25, monkeypatch)
    with pytest.raises(KilledError):
        experiment.train(config(), splits, "main", edge(tmp_path / "broken"))
    monkeypatch.undo()
    newest = tmp_path / "broken/checkpoints/run/main/step-00000020/trainer.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    ticks: list[loop.Tick] = []
    from ssgan.runtime.storage_faults import Limits

    impatient = open_store(str(tmp_path / "broken"), Limits(patience_s=0.5, attempts=2))
    with_ticks = experiment.Edge(impatient, "run", {}, torch.device("cpu"), lambda role, tick: ticks.append(tick))
    experiment.train(config(), splits, "main", with_ticks)
    assert any("step-00000020" in w for tick in ticks for w in tick.warnings)
    assert same(final_weights(tmp_path / "whole"), final_weights(tmp_path / "broken"))


def test_storage_that_fails_while_saving_stops_the_run_and_keeps_the_last_checkpoint(
    splits: SplitFiles, tmp_path: Path
) -> None:
    good = open_store(str(tmp_path))

    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(good, name)

        def put(self, local: Path, key: str) -> None:
            if "step-00000020" in key:
                raise StorageError("no space left")
            good.put(local, key)

    failing = experiment.Edge(Failing(), "run", {}, torch.device("cpu"), lambda role, tick: None)
    with pytest.raises(StorageError, match="no space left"):
        experiment.train(config(), splits, "main", failing)
    assert good.keys("checkpoints/run/main") == ["checkpoints/run/main/step-00000010"]


def test_only_the_newest_checkpoints_are_kept(splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(config(train={"keep_checkpoints": 2}), splits, "main", edge(tmp_path))
    kept = open_store(str(tmp_path)).keys("checkpoints/run/main")
    assert kept == ["checkpoints/run/main/step-00000020", "checkpoints/run/main/step-00000030"]
