"""Training as a job on a cluster that shares nothing with the submitter but S3."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from ssgan.runs import inline
from ssgan.runs.start_from import publish_start
from ssgan.storage.store import open_store
from ssgan.storage.write_once import open_once
from tests.on_cluster.conftest import Project, World, finish
from tests.support.closure import ROOT
from tests.support.data import config, final_weights, run_of, same

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]


def reference(project: Project, folder: Path, steps: int, start_from: Path | None = None) -> Path:
    """The same training in this process."""
    from ssgan.data.files import SplitFiles

    train = {"cpus_per_worker": 1, "steps": steps, "val_every": 50, "checkpoint_every": 50}
    c = config(train={**train, "start_from": start_from and str(start_from)}, storage={"url": str(folder)})
    identity = {"start": publish_start(c, folder, open_once(str(folder)))} if start_from else {}
    run = run_of(c, SplitFiles(str(project.folder / "data/splits")), **identity)
    inline.train_roles(run, ["main"], lambda role, event: None)
    return folder


def test_a_job_trains_what_this_machine_would_and_the_test_set_stays_home(project: Project, tmp_path: Path) -> None:
    project.configure()
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert re.search(r"submitted: run-\w+-1 on http://127", output)
    assert "results in runs/train" in output
    assert same(project.weights(), final_weights(reference(project, tmp_path / "here", 200)))
    names = open_store(project.url).objects.names("splits/")
    assert {name.split("/")[2] for name in names} == {"labeled", "unlabeled", "val", "split.json", "manifest.json"}

    (run,) = project.runs()  # it is finished, and so not submitted again
    for command in (["ssgan", "submit", "--detach"], ["ssgan", "train"], ["ssgan", "submit"]):
        code, output = project.run(*command)
        assert code == 0, output
        assert "submitted:" not in output
        assert "already there" not in output
        if "--detach" in command:
            assert f"{run} is finished, nothing is submitted; `ssgan submit` fetches its results" in output
    _, listed = project.run("ssgan", "jobs", "list")
    assert listed.count(run) == 1, listed


def test_a_job_starts_from_a_model_that_only_the_submitter_has(project: Project, tmp_path: Path) -> None:
    model = reference(project, tmp_path / "first", 50) / "run/main/final/last"
    project.configure(steps=50, start_from=str(model))
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    expected = final_weights(reference(project, tmp_path / "second", 50, model))
    assert same(project.weights(), expected)
    assert not same(expected, final_weights(tmp_path / "first"))


def test_ctrl_c_leaves_the_job_running_and_the_next_call_comes_back(project: Project) -> None:
    project.configure(steps=2000, checkpoint_every=250)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    os.killpg(submitter.pid, signal.SIGINT)
    code, output = finish(submitter)
    assert code == 130, output
    job = re.search(r"(run-\w+-1) goes on without this process; run the same command again .* `ssgan jobs stop run", output)
    assert job, output
    code, listed = project.run("ssgan", "jobs", "list")
    assert re.search(rf"{job[1]} +(RUNNING|SUCCEEDED)", listed), listed

    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert f"found again: {job[1]}" in output or "submitted" not in output
    assert (project.folder / "runs/train/manifest.json").exists()


def test_two_submitters_at_once_make_one_job(project: Project) -> None:
    project.configure(seed=2)
    other = Project.__new__(Project)  # the same project in another folder, as on a colleague's machine
    other.__dict__.update(project.__dict__, folder=project.folder.with_name("colleague"))
    shutil.copytree(project.folder, other.folder)
    both = [project.start("ssgan", "train"), other.start("ssgan", "train")]
    results = [finish(process) for process in both]
    assert [code for code, _ in results] == [0, 0], results
    _, listed = project.run("ssgan", "jobs", "list")
    run = re.search(r"(run-\w+)-1 on", results[0][1] + results[1][1])
    assert run, results
    assert len(re.findall(run[1], listed)) == 1, listed
    assert same(project.weights(), other.weights())


def test_a_stopped_job_fails_the_stage_and_goes_on_from_its_checkpoint(project: Project) -> None:
    project.configure(steps=4000, checkpoint_every=250, seed=3)
    submitter = project.start("ssgan", "train")
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    code, output = project.run("ssgan", "jobs", "stop", f"{run}-1")
    assert (code, output.strip()) == (0, f"{run}-1 is stopped")
    code, output = finish(submitter)
    assert code == 1, output
    assert f"error: {run}-1 was stopped; run the same command again to go on from its last checkpoint" in output
    assert not (project.folder / "runs/train").exists()
    project.configure(steps=4000, checkpoint_every=250, seed=3)
    code, output = project.run("ssgan", "submit")
    assert code == 0, output
    assert f"submitted: {run}-2" in output
    first = re.search(r"step ([\d,]+)/4,000", output)
    assert first, output
    assert int(first[1].replace(",", "")) > 250, "it began again from the start"


def test_ray_job_submit_does_the_same(project: Project, world: World, tmp_path: Path) -> None:
    project.configure(seed=4)
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


def test_a_wrong_token_is_a_sentence(project: Project, tmp_path: Path) -> None:
    project.configure(seed=5)
    wrong = tmp_path / "token"
    wrong.write_text("0" * 64)
    code, output = project.run("env", f"RAY_AUTH_TOKEN_PATH={wrong}", "ssgan", "train")
    assert code == 1
    assert re.search(r"error: connecting: .* refused the token .*; use the cluster's token\n", output), output


def test_storage_of_this_machine_cannot_serve_a_cluster(project: Project) -> None:
    project.url = "storage"
    project.configure(seed=6)
    code, output = project.run("ssgan", "train")
    assert code == 2
    assert "error: `storage.url` is 'storage', a folder of this machine, which the cluster cannot read" in output
