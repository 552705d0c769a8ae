"""``ssgan tune`` with ``cluster.address``: a job like any other, whose reports are written beside the submitter."""

from __future__ import annotations

import csv
import re

import pytest
import yaml

from tests.support.submitter import Project
from tests.support.trials import RATE
from tests.support.world import World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

TRIALS = 2


def configure(project: Project) -> None:
    project.configure(num_workers=1, steps=100)
    path = project.folder / "params.yaml"
    parameters = yaml.safe_load(path.read_text())
    space = {RATE: {"loguniform": [1e-3, 1e-2]}}
    parameters["tune"] |= {"space": space, "trials": TRIALS, "scheduler": "none", "cpus_per_trial": 1}
    path.write_text(yaml.safe_dump(parameters))


def test_a_search_is_a_job_that_can_be_left_and_its_reports_come_home(project: Project, world: World) -> None:
    configure(project)
    submitter = project.start("ssgan", "tune")
    submitter.wait_until("the search is in storage", lambda: any(name.startswith("tune-") for name in project.names()))
    with world.paused("ssgan.tuning.job"):
        submitter.interrupt()
        code, output = submitter.finish()
        assert code == 130, output
        job = re.search(r"(tune-\w+-1) keeps running without this process; run the same command again", output)
        assert job, output
        assert not (project.folder / "reports/tune").exists()
        back = project.start("ssgan", "tune")
        back.wait_for_text(f"^found again: {job[1]} on ")

    code, output = back.finish()
    assert code == 0, output
    assert "submitted" not in output
    out = project.folder / "reports/tune"
    rows = list(csv.DictReader((out / "leaderboard.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["finished"] * TRIALS
    assert {path.name for path in out.iterdir()} >= {"best.yaml", "leaderboard.md", "parallel.png", "importance.png"}
    before = {path: path.read_bytes() for path in out.iterdir()}

    code, output = project.run("ssgan", "tune")
    assert code == 0, output
    assert "submitted" not in output
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert project.jobs(job[1].removesuffix("-1")) == [("1", "SUCCEEDED")]
