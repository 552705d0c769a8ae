"""``ssgan tune`` with ``cluster.address``: a job like any other, whose reports are written beside the submitter."""

from __future__ import annotations

import csv
import os
import re
import signal
import time

import pytest
import yaml

from tests.on_cluster.conftest import Project, finish
from tests.support.trials import RATE

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]

TRIALS = 2


def configure(project: Project) -> None:
    project.configure(num_workers=1, steps=200)
    path = project.folder / "params.yaml"
    parameters = yaml.safe_load(path.read_text())
    space = {RATE: {"loguniform": [1e-3, 1e-2]}}
    parameters["tune"] |= {"space": space, "trials": TRIALS, "scheduler": "none", "cpus_per_trial": 1}
    path.write_text(yaml.safe_dump(parameters))


def test_a_search_is_a_job_that_can_be_left_and_its_reports_come_home(project: Project) -> None:
    configure(project)
    submitter = project.start("ssgan", "tune")
    while not any(name.startswith("tune-") for name in project.names()):
        assert submitter.poll() is None, finish(submitter)
        time.sleep(0.2)
    os.killpg(submitter.pid, signal.SIGINT)
    code, output = finish(submitter)
    assert code == 130, output
    job = re.search(r"(tune-\w+-1) goes on without this process; run the same command again", output)
    assert job, output
    assert not (project.folder / "reports/tune").exists()

    code, output = project.run("ssgan", "tune", timeout=400)
    assert code == 0, output
    assert f"found again: {job[1]}" in output or "submitted" not in output
    out = project.folder / "reports/tune"
    rows = list(csv.DictReader((out / "leaderboard.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["finished"] * TRIALS
    assert {path.name for path in out.iterdir()} >= {"best.yaml", "leaderboard.md", "parallel.png", "importance.png"}
    before = {path: path.read_bytes() for path in out.iterdir()}

    code, output = project.run("ssgan", "tune")
    assert code == 0, output
    assert "submitted" not in output
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    code, listed = project.run("ssgan", "jobs", "list")
    assert re.search(rf"{job[1]} +SUCCEEDED", listed), listed
