"""Exact resume: killed at any step and started again equals never killed, bit for bit."""

from __future__ import annotations

import errno
import math
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from ssgan.data.files import SplitFiles
from ssgan.errors import CheckpointError, NonFiniteError, StorageError
from ssgan.storage.store import open_store
from ssgan.training import checkpoint, experiment, loop, step
from ssgan.training.context import ProgressEvent, RunContext
from tests.support.data import VARIANTS, config, context, final_weights, run_of, same, short
from tests.support.methods import stepped
from tests.support.ranks import run_ranks
from tests.support.resume import KilledError, killed_at, same_when_killed
from tests.support.silent_device import SILENT, usable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", [*stepped(), *VARIANTS])
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


@pytest.mark.parametrize("name", ["supervised", "feature_matching", "teacher_gan", "vat"])
def test_killed_and_resumed_with_convolutions(
    name: str, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their weights have a layout of their own, in which Adam's moments have to lie too."""
    c = config(method=short(name), net={"family": "compact", "width": 0.25})
    same_when_killed(c, random.Random(name).randrange(11, 30), splits, tmp_path, monkeypatch)


def train_on_rank(root: str, folder: str, die_at: int) -> str:
    """One rank of a run; ``die_at`` -1: to the end. Returns how it ended."""
    c = config(train={"num_workers": 2}, method={"options": {"batch_size": 20, "labeled_batch_size": 6, "augment": True}})
    with pytest.MonkeyPatch.context() as patch:
        killed_at(die_at, patch)
        try:
            experiment.train(run_of(c, SplitFiles(root)), "main", context(Path(folder)))
        except KilledError:
            return "killed"
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
        experiment.train(run_of(config(), splits, params={"train": {"seed": 1}}, data="x"), "main", context(tmp_path))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"params\.train\.seed is 1 there and 2 here"):
        experiment.train(run_of(config(), splits, params={"train": {"seed": 2}}, data="x"), "main", context(tmp_path))


def test_a_damaged_checkpoint_is_passed_over_and_said(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "whole"))
    killed_at(25, monkeypatch)
    with pytest.raises(KilledError):
        experiment.train(run_of(config(), splits), "main", context(tmp_path / "broken"))
    monkeypatch.undo()
    newest = tmp_path / "broken/checkpoints/run/main/step-00000020/trainer.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    events: list[ProgressEvent] = []
    from ssgan.storage.retries import RetryLimits

    impatient = open_store(str(tmp_path / "broken"), RetryLimits(patience_s=0.5, attempts=2))
    listening = RunContext(impatient, torch.device("cpu"), lambda role, event: events.append(event))
    experiment.train(run_of(config(), splits), "main", listening)
    assert any("step-00000020" in w for event in events for w in event.warnings)
    assert same(final_weights(tmp_path / "whole"), final_weights(tmp_path / "broken"))


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """safetensors has an exception of its own for it, which says nothing to those who handle a full disk."""

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        checkpoint.write_tensors({}, tmp_path / "a")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_storage_that_fails_while_resuming_does_not_begin_the_run_again(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(25, monkeypatch)
    with pytest.raises(KilledError):
        experiment.train(run_of(config(), splits), "main", context(tmp_path))
    monkeypatch.undo()
    good = open_store(str(tmp_path))

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(good, name)

        def get(self, key: str, local: Path) -> None:
            raise StorageError("storage cannot be reached")

    failing = RunContext(Failing(), torch.device("cpu"), lambda role, event: None)
    with pytest.raises(StorageError, match="cannot be reached"):
        experiment.train(run_of(config(), splits), "main", failing)


def test_storage_that_fails_while_saving_stops_the_run_and_keeps_the_last_checkpoint(
    splits: SplitFiles, tmp_path: Path
) -> None:
    good = open_store(str(tmp_path))

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(good, name)

        def put(self, local: Path, key: str) -> None:
            if "step-00000020" in key:
                raise StorageError("no space left")
            good.put(local, key)

    failing = RunContext(Failing(), torch.device("cpu"), lambda role, event: None)
    with pytest.raises(StorageError, match="no space left"):
        experiment.train(run_of(config(), splits), "main", failing)
    assert good.keys("checkpoints/run/main") == ["checkpoints/run/main/step-00000010"]


def test_only_the_newest_checkpoints_are_kept(splits: SplitFiles, tmp_path: Path) -> None:
    experiment.train(run_of(config(train={"keep_checkpoints": 2}), splits), "main", context(tmp_path))
    kept = open_store(str(tmp_path)).keys("checkpoints/run/main")
    assert kept == ["checkpoints/run/main/step-00000020", "checkpoints/run/main/step-00000030"]


# --- what is not finite, and uploads in the background ---------------------------------------------------------------


def faulty(monkeypatch: pytest.MonkeyPatch, at: int, times: int) -> list[int]:
    """Let the first ``times`` passes over step ``at`` fail as a NaN would; returns the steps that were run."""
    steps: list[int] = []
    real = step.run_step

    def run_step(method: Any, optimizers: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(batch.step)
        if batch.step == at and steps.count(at) <= times:
            raise NonFiniteError(f"step {at}: the term 'x' of phase 'y' is not finite; lower the learning rate")
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)
    return steps


def test_a_passing_fault_goes_back_once_and_changes_no_bit(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "a"))
    steps, warnings = faulty(monkeypatch, at=15, times=1), list[str]()
    noting = replace(context(tmp_path / "b"), on_progress=lambda role, event: warnings.extend(event.warnings))
    experiment.train(run_of(config(), splits), "main", noting)
    assert steps == [*range(16), *range(10, 30)], "back to the checkpoint of step 10"
    assert any("is not finite" in w and "going back to the last checkpoint, once" in w for w in warnings)
    assert same(final_weights(tmp_path / "a"), final_weights(tmp_path / "b"))


@pytest.mark.parametrize(("check_every", "noticed"), [(4, 16), (6, 18), (50, 20)])
def test_what_is_not_finite_is_noticed_at_the_next_look_and_changes_no_bit(
    check_every: int, noticed: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks come every so many steps, and before every validation and checkpoint (here every 10)."""
    c = config(train={"check_every": check_every})
    experiment.train(run_of(config(), splits), "main", context(tmp_path / "a"))
    steps, real, warnings = list[int](), step.run_step, list[str]()

    def run_step(method: Any, optimizers: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(batch.step)
        if batch.step == 15 and steps.count(15) == 1:
            batch.x_l.fill_(math.nan)
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)
    noting = replace(context(tmp_path / "b"), on_progress=lambda role, event: warnings.extend(event.warnings))
    experiment.train(run_of(c, splits), "main", noting)
    assert steps == [*range(noticed), *range(10, 30)], "back to the checkpoint of step 10"
    assert any(w.startswith("step 15: the term 'labeled'") and "phase 'discriminator'" in w for w in warnings)
    assert same(final_weights(tmp_path / "a"), final_weights(tmp_path / "b"))


def test_a_fault_that_comes_again_stops_with_the_advice(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = faulty(monkeypatch, at=15, times=9)
    with pytest.raises(NonFiniteError, match="lower the learning rate"):
        experiment.train(run_of(config(), splits), "main", context(tmp_path))
    assert steps.count(15) == 2


class SlowStore:
    """A store whose uploads wait until they are let through."""

    def __init__(self, store: Any) -> None:
        self._store, self.gate, self.waiting = store, threading.Event(), threading.Event()

    def put(self, local: Path, key: str) -> None:
        if "checkpoints" in key:
            self.waiting.set()
            assert self.gate.wait(60)
        self._store.put(local, key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_training_goes_on_while_a_checkpoint_is_uploaded(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore(open_store(str(tmp_path)))
    steps, real = list[int](), step.run_step

    def run_step(method: Any, optimizers: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(batch.step)
        if batch.step == 15:  # five steps after the first checkpoint was begun
            assert store.waiting.wait(60)
            assert not store.keys("checkpoints/run/main"), "it is not there yet"
            store.gate.set()
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)
    experiment.train(run_of(config(), splits), "main", replace(context(tmp_path), store=store))
    assert steps == list(range(30))
    assert store.keys("checkpoints/run/main") == ["checkpoints/run/main/step-00000020", "checkpoints/run/main/step-00000030"]


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_a_checkpoint_is_loaded_on_the_device(splits: SplitFiles, tmp_path: Path) -> None:
    """``meta`` in the place of a GPU: it takes no tensor of the host beside one of its own either."""
    run = run_of(config(), splits)
    trainer, batches = experiment.prepared(run, "main", context(tmp_path))
    step.run_step(trainer.method, trainer.optimizers, next(batches.iterate(0, 1)))
    (tmp_path / "checkpoint").mkdir()
    checkpoint.save(trainer, {}, tmp_path / "checkpoint")
    with usable():
        there, _ = experiment.prepared(run, "main", replace(context(tmp_path), device=SILENT))
        checkpoint.load(there, {}, tmp_path / "checkpoint")
    moments = [
        value for optimizer in there.optimizers.values() for state in optimizer.state.values() for value in state.values()
    ]
    assert moments
    assert {value.device for value in (*moments, *there.average.tensors.values(), there.seen)} == {SILENT}
