"""One trial and the memory of a search, without Ray."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from ssgan.cluster.connection import set_environment
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError, StorageError
from ssgan.runs import launch
from ssgan.runs.identity import run_of
from ssgan.storage.store import open_store
from ssgan.training.context import final_key
from ssgan.tuning.search import SearchSpec, prepare
from ssgan.tuning.space import at
from ssgan.tuning.trial_log import TrialLog, finished
from ssgan.tuning.trial_process import TrialTask, run
from ssgan.tuning.trials import Trial
from tests.support.data import config
from tests.support.trials import RATE, trial

DRAWS = {RATE: {"loguniform": [1e-4, 1e-2]}}


def searching(storage: Path, **tune: Any) -> Config:
    return config(tune={"space": DRAWS, **tune}, storage={"url": str(storage)})


def prepared(splits: SplitFiles, storage: Path, **tune: Any) -> SearchSpec:
    return prepare(searching(storage, **tune), Path(splits.root))


class Stopped(BaseException):
    """What a scheduler does to a trial, here: it ends within a report."""


def train(found: SearchSpec, point: dict[str, Any], stop_at: int | None = None) -> list[dict[str, Any]]:
    """Run a trial; returns its reports."""
    task = TrialTask(found.config, found.files, found.data, found.config.storage.url, 1, False)
    reports: list[dict[str, Any]] = []

    def report(one: dict[str, Any]) -> None:
        reports.append(one)
        if one["step"] == stop_at:
            raise Stopped

    with contextlib.suppress(Stopped):
        run(task, found.run_of(point).id, point, report)
    return reports


def test_a_trial_is_the_run_that_the_train_stage_makes_of_the_same_parameters(splits: SplitFiles, storage: Path) -> None:
    found = prepared(splits, storage)
    train(found, {RATE: 0.002})
    applied = at(searching(storage), {RATE: 0.002})
    store = open_store(str(storage))
    before = (storage / final_key(found.run_of({RATE: 0.002}).id, "main") / "manifest.json").read_bytes()
    manifest = launch.train(applied, Path(splits.root), storage.parent / "out", lambda role, event: None)
    assert manifest["run_id"] == run_of(applied, splits).id == found.run_of({RATE: 0.002}).id
    assert (storage / final_key(manifest["run_id"], "main") / "manifest.json").read_bytes() == before, "not trained again"
    assert store.keys(f"{manifest['run_id']}/main") == [final_key(manifest["run_id"], "main")]


def test_every_look_at_val_is_reported_and_the_last_one_when_the_result_is_safe(splits: SplitFiles, storage: Path) -> None:
    found = prepared(splits, storage)
    reports = train(found, {RATE: 0.002}, stop_at=30)
    assert [one["step"] for one in reports] == [10, 20, 30]
    done = finished(open_store(str(storage)), Trial(1, found.run_of({RATE: 0.002}).id, {RATE: 0.002}))
    assert done, "stopped at its last step, it is finished nevertheless"
    assert [(one["step"], one["val_error_rate"]) for one in reports] == list(done.validations)
    for name in ("best", "last"):
        assert (storage / final_key(done.run, "main") / name / "model.safetensors").exists()


def test_a_trial_that_was_interrupted_goes_on_and_tells_its_earlier_looks_again(splits: SplitFiles, storage: Path) -> None:
    found = prepared(splits, storage)
    whole = train(found, {RATE: 0.003})
    found = prepared(splits, storage.with_name("other"))
    first = train(found, {RATE: 0.003}, stop_at=20)
    assert finished(open_store(found.config.storage.url), Trial(1, found.run_of({RATE: 0.003}).id, {})) is None
    second = train(found, {RATE: 0.003})
    validations = [[(one["step"], one["val_error_rate"]) for one in reports] for reports in (whole, first, second)]
    assert validations[1] == validations[0][:2]
    assert validations[2] == validations[0]


def test_a_trial_that_cannot_work_says_why_instead_of_ending_the_search(splits: SplitFiles, storage: Path) -> None:
    found = prepared(splits, storage)
    (report,) = train(found, {RATE: 1e30})
    assert "is not finite" in report["reason"]


def test_trouble_of_storage_is_no_fault_of_the_parameters(
    splits: SplitFiles, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("S3 is gone")

    monkeypatch.setattr("ssgan.tuning.trial_log.finished", fail)
    with pytest.raises(StorageError, match="S3 is gone"):
        train(prepared(splits, storage), {RATE: 0.002})


def test_the_log_tells_what_is_unfinished_and_takes_results_from_the_files_of_the_runs(
    splits: SplitFiles, storage: Path
) -> None:
    found = prepared(splits, storage)
    log = TrialLog(open_store(str(storage)), found.name)
    assert log.read() == []
    point = {RATE: 0.002}
    one, two, three = Trial(1, found.run_of(point).id, point), trial(2, 0.5, 0.4), trial(3, state="running")
    for proposed in (one, two, three):
        log.propose(proposed)
    reports = train(found, point)
    log.end(one)  # without a look: what it found stands in its own files
    log.end(two)
    read = TrialLog(open_store(str(storage)), found.name).read()
    assert [t.state for t in read] == ["finished", "finished", "running"]
    assert read[0].validations == tuple((r["step"], r["val_error_rate"]) for r in reports)
    assert read[1:] == [two, three]
    assert TrialLog(open_store(str(storage)), "tune-other").read() == []


def test_a_search_is_the_same_as_long_as_its_trials_can_be_compared(splits: SplitFiles, storage: Path) -> None:
    name = prepared(splits, storage).name
    assert prepared(splits, storage, trials=99, search="random", seed=3, cpus_per_trial=2).name == name
    applied = at(searching(storage), {RATE: 0.004})
    assert prepare(applied, Path(splits.root)).name == name, "applying its result does not end it"
    assert prepared(splits, storage, scheduler="none").name != name
    assert prepared(splits, storage, space={RATE: {"loguniform": [1e-4, 2e-2]}}).name != name
    other = config(tune={"space": DRAWS}, storage={"url": str(storage)}, train={"steps": 31})
    assert prepare(other, Path(splits.root)).name != name


def test_without_val_images_there_is_no_search(splits: SplitFiles, storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SplitFiles, "num_rows", lambda self, name: 0)
    with pytest.raises(ConfigError, match=r"val has no images.*raise split\.val_fraction"):
        prepared(splits, storage)


def proposals(found: SearchSpec, log: TrialLog, ended: list[int]) -> Any:
    set_environment()
    from ssgan.tuning.proposals import Proposals

    return Proposals(found.config, log, lambda point: found.run_of(point).id, lambda trial, trials: ended.append(trial.number))


def test_what_was_interrupted_comes_first_and_what_has_ended_does_not_come_again(splits: SplitFiles, storage: Path) -> None:
    found, ended = prepared(splits, storage, trials=4), list[int]()
    log = TrialLog(open_store(str(storage)), found.name)
    first = proposals(found, log, ended)
    a, b = first.suggest("a"), first.suggest("b")
    first.on_trial_result("a", {"step": 10, "val_error_rate": 0.5, "seconds": 1.0})
    first.on_trial_complete("a", {"step": 20, "val_error_rate": 0.4, "seconds": 2.0})
    assert ended == [1]
    again = proposals(found, log, ended)  # the driver was killed here
    assert again.left == 3
    c, d, e = (again.suggest(name) for name in "cde")
    assert c == b
    assert len({one["run"] for one in (a, b, d, e)}) == 4
    assert again.suggest("f") == "FINISHED"
    (stopped,) = [one for one in log.read() if one.state != "running"]
    assert (stopped.state, stopped.validations) == ("stopped", ((10, 0.5), (20, 0.4)))


def test_a_trial_that_lost_its_process_is_left_for_the_next_attempt(splits: SplitFiles, storage: Path) -> None:
    found = prepared(splits, storage, trials=1)
    log = TrialLog(open_store(str(storage)), found.name)
    first = proposals(found, log, [])
    proposal = first.suggest("a")
    first.on_trial_complete("a", error=True)
    assert proposals(found, log, []).suggest("b") == proposal


def test_a_small_space_is_tried_whole_and_no_point_twice(splits: SplitFiles, storage: Path) -> None:
    space = {"method.options.distance": {"choice": ["squared", "absolute"]}, "net.noise": {"choice": [0.5, 1.0]}}
    found, ended = prepared(splits, storage, space=space, trials=20), list[int]()
    searcher = proposals(found, TrialLog(open_store(str(storage)), found.name), ended)
    points: list[tuple[Any, ...]] = []
    while (proposal := searcher.suggest(str(len(points)))) != "FINISHED":
        searcher.on_trial_complete(str(len(points)), {"step": 30, "val_error_rate": 0.5, "seconds": 1.0})
        points.append(tuple(proposal["point"].values()))
    assert sorted(points) == [("absolute", 0.5), ("absolute", 1.0), ("squared", 0.5), ("squared", 1.0)]
    assert ended == [1, 2, 3, 4]
