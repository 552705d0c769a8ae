"""One trial, in the process that Ray Tune starts for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import CheckpointError, StorageError, TrainingError
from ssgan.training.context import Role, RunContext

if TYPE_CHECKING:
    from ssgan.storage.store import Store

Reporter = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrialTask:
    """What all trials share, as it travels to them."""

    config: Config  # but for the searched keys
    files: SplitFiles
    data: str  # version
    storage: str
    threads: int
    gpu: bool  # whether Ray gave it one, or a share


def trial_of(task: TrialTask) -> Callable[[dict[str, Any]], None]:
    """The function that Tune runs."""

    def trial(proposal: dict[str, Any]) -> None:
        from ray import tune

        from ssgan.tuning.trial_process import run  # by name, so that the process imports it and nothing is pickled

        run(task, proposal["run"], proposal["point"], tune.report)

    return trial


def run(task: TrialTask, run: str, point: dict[str, Any], report: Reporter) -> None:
    """Train to the end, or go on from the newest checkpoint; report every validation.

    The last one is reported when the result is in storage: a scheduler may end the process at any report. A run that cannot
    be finished reports the reason, and is not tried again: the same parameters would fail the same way. Only what storage
    does is no fault of the parameters, and is left to Tune, which tries again.
    """
    try:
        _train(task, run, point, report)
    except (StorageError, CheckpointError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        report({"step": 0, "val_error_rate": float("nan"), "seconds": 0.0, "reason": reason})


def _train(task: TrialTask, run: str, point: dict[str, Any], report: Reporter) -> None:
    from ssgan.storage.store import open_store
    from ssgan.tuning.space import at
    from ssgan.tuning.trial_log import finished
    from ssgan.tuning.trials import Trial

    store = open_store(task.storage)
    done = finished(store, Trial(0, run, point))
    fresh = done is None
    if done is None:
        _fit(at(task.config, point), task, store, report)
        done = finished(store, Trial(0, run, point))
        assert done, "the run has just been stored"
    # A run that was trained before, perhaps by the train stage, reports all of them.
    for step, error in done.validations[-1:] if fresh else done.validations:
        report({"step": step, "val_error_rate": error, "seconds": done.seconds})


def _fit(config: Config, task: TrialTask, store: Store, report: Reporter) -> None:
    import torch

    from ssgan.runs.identity import run_of
    from ssgan.storage.lease import guarded, held
    from ssgan.training.experiment import train
    from ssgan.training.history import live_board

    torch.set_num_threads(task.threads)
    if task.gpu and not torch.cuda.is_available():
        raise TrainingError("`tune.gpus_per_trial` is above 0, but torch sees none there; set it to 0 and train.device to cpu")
    device = torch.device("cuda" if task.gpu else "cpu")  # a GPU that Ray did not assign belongs to another process

    def on_record(role: Role, record: dict[str, Any]) -> None:
        if record["step"] < config.train.steps:
            report({key: record[key] for key in ("step", "val_error_rate", "seconds")})

    run = run_of(config, task.files, task.data)
    with held(task.storage, run.id) as guard, live_board(task.storage, run.id) as board:
        train(run, "main", RunContext(guarded(store, guard), device, lambda role, event: None, board, on_record=on_record))
