"""The proposals of a search as a search algorithm of Ray Tune: what was interrupted first, then what Optuna asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from ssgan.config import Config
from ssgan.tuning.space import Point, rounded
from ssgan.tuning.study import distributions, frozen, study_of
from ssgan.tuning.trial_log import TrialLog
from ssgan.tuning.trials import Trial

TRIES = 200  # proposals in a row that repeat a trial; then all points of the space were tried


class Proposals(Searcher):  # type: ignore[misc]
    """Asks, remembers and tells.

    Args:
        config: with ``tune`` and ``evaluate.checkpoint``.
        log: the memory of the search, which knows the trials of earlier attempts.
        run_of: the key of the run of a point.
        on_end: called with every trial that has ended, and all of them so far.
    """

    def __init__(
        self,
        config: Config,
        log: TrialLog,
        run_of: Callable[[Point], str],
        on_end: Callable[[Trial, list[Trial]], None],
    ) -> None:
        super().__init__()
        self.config, self.log, self.run_of, self.on_end = config, log, run_of, on_end
        self.trials = {trial.run: trial for trial in log.read()}
        self.study = study_of(config.tune, self.trials.values(), config.evaluate.checkpoint)
        self.waiting = [trial for trial in self.trials.values() if trial.state == "running"]
        self.live: dict[str, str] = {}  # Tune's name of a trial -> its run
        self.asked: dict[str, optuna.Trial] = {}  # run -> what Optuna waits for an answer to

    @property
    def left(self) -> int:
        """Trials that are still to be run."""
        return len(self.waiting) + max(0, self.config.tune.trials - len(self.trials))

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next trial."""
        trial = self.waiting.pop(0) if self.waiting else self._new()
        if trial is None:
            return str(Searcher.FINISHED)
        self.live[trial_id] = trial.run
        return {"number": trial.number, "run": trial.run, "point": trial.point}

    def _new(self) -> Trial | None:
        if len(self.trials) >= self.config.tune.trials:
            return None
        space = self.config.tune.space
        for _ in range(TRIES):
            asked = self.study.ask(distributions(space))
            point = {key: rounded(space[key], asked.params[key]) for key in space}
            run = self.run_of(point)
            if run not in self.trials:
                trial = Trial(max((one.number for one in self.trials.values()), default=0) + 1, run, point)
                self.log.propose(trial)
                self.trials[run], self.asked[run] = trial, asked
                return trial
            self._tell(asked, self.trials[run])
        return None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record a validation, or the reason why there will be none."""
        trial = self.trials[self.live[trial_id]]
        if "reason" in result:
            self.trials[trial.run] = replace(trial, state="failed", reason=result["reason"])
            return
        validations = dict(trial.validations) | {result["step"]: result["val_error_rate"]}  # a repeated one is the same
        self.trials[trial.run] = replace(trial, validations=tuple(sorted(validations.items())), seconds=result["seconds"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial has reached its end, was stopped by the scheduler, or (``error``) lost its process too often."""
        if result and "step" in result:  # Tune passes the validation at which it stops a trial only here
            self.on_trial_result(trial_id, result)
        trial = self.trials[self.live.pop(trial_id)]
        if error:  # not remembered as ended: the next search goes on with it
            self.asked.pop(trial.run, None)
            return
        trial = self.log.end(replace(trial, state="stopped") if trial.state == "running" else trial)
        self.trials[trial.run] = trial
        if trial.run in self.asked:
            self._tell(self.asked.pop(trial.run), trial)
        self.on_end(trial, list(self.trials.values()))

    def _tell(self, asked: optuna.Trial, trial: Trial) -> None:
        if trial.state == "running":  # a second one of a point whose end is not known yet
            self.study.tell(asked, state=TrialState.FAIL)
            return
        told = frozen(self.config.tune.space, trial, self.config.evaluate.checkpoint)
        for step, error in told.intermediate_values.items():
            asked.report(error, step)
        self.study.tell(asked, told.value if told.state == TrialState.COMPLETE else None, told.state)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the log remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the log remembers."""
