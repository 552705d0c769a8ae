"""The search on a cluster: what the submitter believes when the job says that it is done. No Ray: the job is played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssgan.data.files import SplitFiles
from ssgan.errors import TrainingError
from ssgan.runs import submit
from ssgan.storage.store import open_store
from ssgan.tuning import job, search
from ssgan.tuning.search import SearchSpec, prepare
from ssgan.tuning.trial_log import TrialLog
from ssgan.tuning.trials import Trial
from tests.support.data import config
from tests.support.trials import RATE

Played = Callable[[TrialLog], object]
FIRST = Trial(1, "run-1", {RATE: 0.001}, state="failed", reason="NonFiniteError: no")
SECOND = Trial(2, "run-2", {RATE: 0.002}, state="failed", reason="NonFiniteError: no")
FINISHED = replace(SECOND, state="finished", validations=((10, 0.5), (30, 0.25)), reason="", seconds=1.0)


@pytest.fixture
def found(splits: SplitFiles, tmp_path: Path) -> SearchSpec:
    changed = config(
        tune={"space": {RATE: {"loguniform": [1e-3, 1e-2]}}, "scheduler": "none", "trials": 2},
        cluster={"address": "http://127.0.0.1:1"},
        storage={"url": str(tmp_path / "storage")},
    )
    return prepare(changed, Path(splits.root))


def log_of(found: SearchSpec) -> TrialLog:
    return TrialLog(open_store(found.config.storage.url), found.name)


def played(found: SearchSpec, monkeypatch: pytest.MonkeyPatch, job: Played) -> list[tuple[Any, ...]]:
    """In the place of a job, ``job`` writes into the memory of the search. Returns what was submitted."""
    sent: list[tuple[Any, ...]] = []

    def run(*arguments: Any) -> None:
        sent.append(arguments)
        job(log_of(found))

    monkeypatch.setattr(submit, "submit_and_wait", run)
    return sent


def remember(log: TrialLog, *trials: Trial, closed: int | None = 2) -> None:
    for trial in trials:
        log.propose(trial)
        if trial.state != "running":
            log._write("ended", trial)  # as the job would have written it
    if closed:
        log.close(closed, list(trials))


def test_trials_come_home_and_a_finished_search_is_not_submitted_again(
    found: SearchSpec, splits: SplitFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = played(found, monkeypatch, lambda log: remember(log, FIRST, SECOND))
    for _ in range(2):
        assert search.trials_of(found, Path(splits.root), print) == [FIRST, SECOND]
    assert len(sent) == 1
    assert sent[0][0].id == found.name
    assert sent[0][-1] == "python -m ssgan.tuning.job"


@pytest.mark.parametrize(
    ("job", "missing"),
    [
        (lambda log: None, "tune-[0-9a-f]+"),
        (lambda log: remember(log, FIRST, SECOND, closed=None), "tune-[0-9a-f]+"),
        (lambda log: remember(log, FIRST, SECOND, closed=1), "tune-[0-9a-f]+"),
        (lambda log: remember(log, FIRST, replace(SECOND, state="running")), "run-2"),
        (lambda log: remember(log, FIRST, FINISHED), "run-2"),  # whose model is not there
    ],
)
def test_a_job_that_ended_well_but_left_too_little_is_an_error(
    found: SearchSpec, splits: SplitFiles, monkeypatch: pytest.MonkeyPatch, job: Played, missing: str
) -> None:
    played(found, monkeypatch, job)
    said = rf"the search ended without an error, but {missing} is not complete in .* to resume"
    with pytest.raises(TrainingError, match=said):
        search.trials_of(found, Path(splits.root), print)


def test_without_a_cluster_the_search_runs_here(found: SearchSpec, splits: SplitFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[Trial] = []
    monkeypatch.setattr(search, "search", lambda found, say: here)
    sent = played(found, monkeypatch, lambda log: None)
    local = replace(found, config=config(tune=found.config.tune.model_dump(exclude_none=True)))
    assert search.trials_of(local, Path(splits.root), print) is here
    assert not sent


def test_the_driver_of_a_job_searches_itself_and_away_from_its_own_folder(
    found: SearchSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    searched = []
    monkeypatch.setattr(job, "load", lambda: found.config)
    monkeypatch.setattr(job, "prepare", lambda config, splits: found)
    monkeypatch.setattr(job, "search", lambda found, say: searched.append(found.name))
    sent = played(found, monkeypatch, lambda log: None)
    job.tune()
    assert searched == [found.name]
    assert Path.cwd() != tmp_path, "Ray may remove the job's own folder"
    assert not sent
