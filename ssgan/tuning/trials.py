"""What is recorded of a trial, and which one is the best: pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ssgan.tuning.space import Point

State = Literal["running", "finished", "stopped", "failed"]
Checkpoint = Literal["last", "best"]


@dataclass(frozen=True)
class Trial:
    """One candidate.

    Attributes:
        number: in the order of the proposals, from 1.
        run: key of its run in storage, which is the run that the train stage makes of the same parameters.
        point: the searched keys and their values.
        state: stopped: by the scheduler, before its end; its newest checkpoint is kept. failed: it cannot be finished.
        validations: (step, error rate on val of the averaged weights), in order.
        seconds: of training, over all attempts.
        reason: why it failed.
    """

    number: int
    run: str
    point: Point
    state: State = "running"
    validations: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    reason: str = ""

    @property
    def steps(self) -> int:
        """Step of the last validation."""
        return self.validations[-1][0] if self.validations else 0

    def validation(self, checkpoint: Checkpoint) -> tuple[int, float] | None:
        """The last validation, or the first one with the lowest error."""
        if not self.validations:
            return None
        return self.validations[-1] if checkpoint == "last" else min(self.validations, key=lambda one: (one[1], one[0]))

    def score(self, checkpoint: Checkpoint) -> float | None:
        """Error rate on val of the weights that ``evaluate.checkpoint`` names."""
        validation = self.validation(checkpoint)
        return None if validation is None or self.state == "failed" else validation[1]

    def to_json(self) -> dict[str, Any]:
        """As plain data; ``looks`` is the key of ``validations`` in records, also in those of earlier versions."""
        raw = asdict(self)
        raw["looks"] = raw.pop("validations")
        return raw

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Trial:
        """From what ``to_json`` gave, also after JSON made lists of tuples."""
        fields = {key: value for key, value in raw.items() if key != "looks"}
        return cls(**fields, validations=tuple((step, error) for step, error in raw["looks"]))


ORDER: dict[State, int] = {"finished": 0, "stopped": 1, "running": 2, "failed": 3}


def ranked(trials: Iterable[Trial], checkpoint: Checkpoint) -> list[Trial]:
    """Best first. Finished trials come before those that were stopped: no one knows where these would have ended."""

    def rank(trial: Trial) -> tuple[int, float, int]:
        score = trial.score(checkpoint)
        return ORDER[trial.state], math.inf if score is None else score, trial.number

    return sorted(trials, key=rank)


def best(trials: Iterable[Trial], checkpoint: Checkpoint) -> Trial | None:
    """The finished trial with the lowest score (of equals the earliest), or None."""
    return next((trial for trial in ranked(trials, checkpoint) if trial.state == "finished"), None)


def standard_error(score: float, images: int) -> float:
    """Of a share of ``images`` independent images."""
    return math.sqrt(score * (1 - score) / images)
