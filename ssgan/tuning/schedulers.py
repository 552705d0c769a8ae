"""The schedulers of Ray Tune, given the results of earlier attempts of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssgan.config import Config
from ssgan.tuning.space import grace_steps, longest
from ssgan.tuning.trials import Trial

REDUCTION = 3  # of ASHA: a third of the trials goes on at each rung
COMPARED = 3  # trials that the median needs


@dataclass(frozen=True)
class ReplayedTrial:
    """A trial of an earlier attempt, as far as a scheduler reads it."""

    trial_id: str


def scheduler(config: Config, ended: Sequence[Trial]) -> Any:
    """The scheduler of ``tune.scheduler``, or None."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule

    grace = grace_steps(config)
    common = {"time_attr": "step", "metric": "val_error_rate", "mode": "min", "grace_period": grace}
    if config.tune.scheduler == "none":
        return None
    if config.tune.scheduler == "asha":
        # Beyond the last step: a trial ends by itself, when its result is in storage.
        made = AsyncHyperBandScheduler(**common, max_t=max(longest(config), grace) + 1, reduction_factor=REDUCTION)
    else:
        # Without time slices: a trial is stopped or goes on, it is never paused.
        made = MedianStoppingRule(**common, min_samples_required=COMPARED, min_time_slice=float("inf"))
    _replay(made, ended)
    return made


def _replay(made: Any, ended: Sequence[Trial]) -> None:
    """Give the scheduler the validations of trials that have ended, as if they ran now; its decisions are ignored."""
    for trial in ended:
        if trial.state == "failed" or not trial.validations:
            continue
        replayed = ReplayedTrial(trial.run)
        results = [{"step": step, "val_error_rate": error} for step, error in trial.validations]
        made.on_trial_add(None, replayed)
        for result in results:
            made.on_trial_result(None, replayed, result)
        made.on_trial_complete(None, replayed, results[-1])
