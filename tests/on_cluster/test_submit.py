"""Training as a job on a cluster that shares nothing with the submitter but S3."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ssgan.runs.start_from import publish_start
from ssgan.storage.write_once import open_once
from tests.support.closure import ROOT
from tests.support.data import config, final_weights, same
from tests.support.submitter import Command, Project, reference
from tests.support.world import World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

SHORT: dict[str, Any] = {"steps": 50, "val_every": 50, "checkpoint_every": 50}
# Long enough that commands can be given while it runs.
LONG: dict[str, Any] = {"steps": 4000, "val_every": 2000, "checkpoint_every": 100}


def told(commands: list[Command], job: str) -> list[str]:
    """How the commands came to that job, sorted."""
    return sorted(re.findall(rf"^(submitted|found again): {job} on http://127", "".join(c.output for c in commands), re.M))


def started_from(project: Project, model: Path, folder: Path) -> Path:
    """The training of ``LONG`` in this process, from a model."""
    folder.mkdir()
    c = config(train={**LONG, "start_from": str(model)}, storage={"url": str(folder)})
    start = publish_start(c, folder, open_once(str(folder)))
    return reference(project, folder, {"start": start}, start_from=str(model), **LONG)


def test_a_job_is_shared_left_found_stopped_and_goes_on_to_what_this_machine_would_train(
    project: Project, world: World, tmp_path: Path
) -> None:
    """Two submitters, from a model that only they have. One is interrupted and comes back; the job is stopped; both go on."""
    first = reference(project, tmp_path / "first", **SHORT)
    model = first / "run/main/final/last"
    project.configure(**LONG, start_from=str(model))
    colleague = project.copied("colleague")
    both = [project.start("ssgan", "train"), colleague.start("ssgan", "train")]
    run = project.wait_for_checkpoint(both[0]).split("/")[1]
    with world.paused():
        both[1].wait_until("both have the job", lambda: len(told(both, f"{run}-1")) == 2)
        assert told(both, f"{run}-1") == ["found again", "submitted"]
        back = left_and_found_again(project, both[0], run)
    stopped(project, run, [(project, back), (colleague, both[1])])

    finished_by_two(project, colleague, run)
    expected = final_weights(started_from(project, model, tmp_path / "here"))
    assert same(project.weights(), expected)
    assert same(project.weights(), colleague.weights())
    assert not same(expected, final_weights(first))
    sent = [name.split("/") for name in project.names("splits/")]
    assert {name for _, key, name, *_ in sent if key != "images"} == {
        "labeled.parquet",
        "unlabeled.parquet",
        "val.parquet",
        "split.json",
        "images.json",
        "manifest.json",
    }, "the test set stays home"
    not_submitted_again(project, run)


def left_and_found_again(project: Project, submitter: Command, run: str) -> Command:
    """Ctrl-C leaves the job running, and other commands come back to it; one of them, which still waits, is returned."""
    submitter.interrupt()
    code, output = submitter.finish()
    assert code == 130, output
    advice = rf"{run}-1 keeps running without this process; run the same command again .* `ssgan jobs stop {run}-1`"
    assert re.search(advice, output), output
    assert project.jobs(run) == [("1", "RUNNING")]

    back = project.start("ssgan", "train")
    back.wait_for_text(rf"^found again: {run}-1 on ")
    assert "submitted" not in back.output
    code, output = project.run("ssgan", "submit", "--detach")
    assert code == 0, output
    assert f"already there: {run}-1; `ssgan submit` comes back to it" in output
    return back


def stopped(project: Project, run: str, waiting: list[tuple[Project, Command]]) -> None:
    """A stopped job fails the stage of everybody who waits for it."""
    code, output = project.run("ssgan", "jobs", "stop", f"{run}-1")
    assert (code, output.strip()) == (0, f"{run}-1 is stopped")
    for where, command in waiting:
        code, output = command.finish()
        assert code == 1, output
        assert f"error: {run}-1 was stopped; run the same command again to resume from its last checkpoint" in output
        assert not (where.folder / "runs/train").exists()


def finished_by_two(project: Project, colleague: Project, run: str) -> None:
    """Two submitters at once make one job, which goes on from the checkpoint, and both get its results."""
    both = [project.start("ssgan", "submit"), colleague.start("ssgan", "train")]
    for code, output in [command.finish() for command in both]:
        assert code == 0, output
        assert "results in runs/train" in output
        first = re.search(r"step ([\d,]+)/4,000", output)
        assert first, output
        assert int(first[1].replace(",", "")) > LONG["checkpoint_every"], "it began again from the start"
    assert told(both, f"{run}-2") == ["found again", "submitted"]
    assert project.jobs(run) == [("1", "STOPPED"), ("2", "SUCCEEDED")]
    assert (project.folder / "runs/train/manifest.json").exists()


def not_submitted_again(project: Project, run: str) -> None:
    """What is finished is only fetched."""
    assert project.runs() == [run]
    for command in (["ssgan", "submit", "--detach"], ["ssgan", "train"], ["ssgan", "submit"]):
        code, output = project.run(*command)
        assert code == 0, output
        assert "submitted:" not in output
        assert "already there" not in output
        if "--detach" in command:
            assert f"{run} is finished, nothing is submitted; `ssgan submit` fetches its results" in output
    assert project.jobs(run) == [("1", "STOPPED"), ("2", "SUCCEEDED")]


def test_ray_job_submit_does_the_same(project: Project, world: World, tmp_path: Path) -> None:
    project.configure(**SHORT, seed=4)
    shutil.copy(ROOT / "ssgan/templates/project/rayignore", project.folder / ".rayignore")
    code, output = project.run("ssgan", "publish")
    assert code == 0, output
    submit = ["ray", "job", "submit", "--address", world.nodes.address, "--working-dir", "."]
    code, output = project.run(*submit, "--", "python", "-m", "ssgan.runs.job")
    assert code == 0, output
    code, output = project.run("ssgan", "train")  # what the job left is what the stage would have made
    assert code == 0, output
    assert "submitted" not in output
    assert (project.folder / "metrics/train.json").exists()
    assert same(project.weights(), final_weights(reference(project, tmp_path / "here", **SHORT, seed=4)))
