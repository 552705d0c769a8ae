"""What a search prints while it runs: a line for every trial that ends, and progress in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback

from ssgan.config import Config
from ssgan.tuning.board import percent
from ssgan.tuning.trials import Trial, best
from ssgan.wording import counted


class SearchProgress(Callback):  # type: ignore[misc]
    """Tune's callback for validations; ``ended`` is called by the proposals, which know the trials."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        self.config, self.say, self.last = config, say, time.monotonic()

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Print how far a trial is, not more often than ``train.log_every_seconds``."""
        if "reason" not in result and time.monotonic() - self.last >= self.config.train.log_every_seconds:
            self.last = time.monotonic()
            number = result["config"]["number"]
            self.say(f"trial {number}: step {result['step']:,}, {percent(result['val_error_rate'])} wrong on val")

    def ended(self, trial: Trial, trials: list[Trial]) -> None:
        """Print how a trial ended, and which one is the best so far."""
        self.last = time.monotonic()
        checkpoint = self.config.evaluate.checkpoint
        first, done = best(trials, checkpoint), sum(1 for one in trials if one.state != "running")
        score, found = trial.score(checkpoint), trial.reason
        if score is not None:
            found = f"{percent(score)} wrong on val after {counted(trial.steps, 'step')}, {trial.seconds:.0f} s"
        leader = f"; best so far: trial {first.number}, {percent(first.score(checkpoint))}" if first else ""
        self.say(f"[{done}/{self.config.tune.trials}] trial {trial.number} {trial.state}: {found}{leader}")
