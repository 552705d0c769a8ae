"""Section ``tune``: what a search tries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ssgan.config.base import Strict
from ssgan.wording import counted


class Draw(Strict):
    """How one value is drawn: exactly one of these."""

    loguniform: list[float] | None = Field(default=None, min_length=2, max_length=2)  # [low, high], equal chances per decade
    uniform: list[float] | None = Field(default=None, min_length=2, max_length=2)  # [low, high]
    randint: list[int] | None = Field(default=None, min_length=2, max_length=2)  # [low, high], both can be drawn
    choice: list[bool | int | float | str] | None = Field(default=None, min_length=2)  # one of these

    @model_validator(mode="after")
    def _one(self) -> Draw:
        given = {kind: value for kind in Draw.model_fields if (value := getattr(self, kind)) is not None}
        if len(given) != 1:
            raise ValueError(f"{counted(len(given), 'way')} to draw it; give one of {', '.join(Draw.model_fields)}")
        ((kind, values),) = given.items()
        if kind != "choice" and not values[0] < values[1]:
            raise ValueError(f"{kind} is {values}; write the lower end first")
        if kind == "loguniform" and values[0] <= 0:
            raise ValueError(f"loguniform is {values}, which has no logarithm; raise the lower end above 0, or use uniform")
        return self


class TuneConfig(Strict):
    """The search for better parameters, ``ssgan tune``; no stage of the pipeline reads it."""

    space: dict[str, Draw] = Field(default={})  # dotted key of a parameter -> how its values are drawn; see docs/tuning.md
    trials: int = Field(default=20, ge=1)  # in total; a search that is run again continues up to this number
    search: Literal["optuna", "random"] = "optuna"  # optuna: proposals that learn from the trials before (TPE)
    seed: int = Field(default=0, ge=0)  # of the proposals; a trial trains with train.seed
    scheduler: Literal["asha", "median", "none"] = "median"  # which trials are stopped early; none: every one runs to its end
    grace_steps: int | None = Field(default=None, ge=1)  # no trial is stopped earlier; null: see docs/tuning.md
    cpus_per_trial: int = Field(default=1, ge=1)
    gpus_per_trial: float | None = Field(default=None, ge=0)  # may be a fraction; null: 1 if train.device asks for a GPU
    max_concurrent: int | None = Field(default=None, ge=1)  # trials at once; null: as many as fit
