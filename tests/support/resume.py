"""A training that is killed before a step, and what must be the same after it was started again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssgan.config import Config
from ssgan.core.batch import Batch
from ssgan.data.files import SplitFiles
from ssgan.training import experiment, loop
from ssgan.training import step as step_module
from tests.support.data import context, final_weights, run_of, same


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends right before step ``step``."""
    real = step_module.run_step

    def run_step(method: Any, optimizers: Any, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        if batch.step == step:
            raise KilledError
        return real(method, optimizers, batch, *args, **kwargs)

    monkeypatch.setattr(loop, "run_step", run_step)


def same_when_killed(c: Config, step: int, splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed before ``step`` and started again ends with the bits, and the history, of one left alone."""
    experiment.train(run_of(c, splits), "main", context(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(KilledError):
            experiment.train(run_of(c, splits), "main", context(tmp_path / "broken"))
    experiment.train(run_of(c, splits), "main", context(tmp_path / "broken"))
    assert same(final_weights(tmp_path / "whole"), final_weights(tmp_path / "broken"))
    assert errors(tmp_path / "whole") == errors(tmp_path / "broken")


def errors(folder: Path) -> list[tuple[int, float, dict[str, float]]]:
    """Everything in the history but the clock."""
    lines = (folder / "run/main/final/history.jsonl").read_text().splitlines()
    return [(r["step"], r["val_error_rate"], r["terms"]) for r in map(json.loads, lines)]
