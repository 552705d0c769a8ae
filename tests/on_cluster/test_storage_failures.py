"""Storage that fails while a cluster trains: what passes costs time and no bit, what stays ends with the remedy."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ssgan.data.files import SplitFiles
from ssgan.runs import inline
from tests.on_cluster.conftest import Project, World, finish
from tests.support.clock import Clock
from tests.support.data import config, final_weights, run_of, same
from tests.support.fault import Fault
from tests.support.faultproxy import FaultProxy

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]

TRAIN: dict[str, Any] = {"cpus_per_worker": 1, "steps": 3000, "val_every": 500, "checkpoint_every": 150}
OUTAGE_S = 8.0


@pytest.fixture
def proxy(world: World, project: Project) -> Iterator[FaultProxy]:
    """Stands between the nodes, but not the submitter, and storage."""
    with FaultProxy(world.s3.port) as proxy:
        project.configure({"environment": {"AWS_ENDPOINT_URL": proxy.endpoint}}, **TRAIN)
        yield proxy


def reference(project: Project, folder: Path) -> dict[str, torch.Tensor]:
    """The same training in this process, which no fault meets."""
    c = config(train=TRAIN, storage={"url": str(folder)})
    run = run_of(c, SplitFiles(str(project.folder / "data/splits")))
    inline.train_roles(run, ["main"], lambda role, event: None)
    return final_weights(folder)


def wait_for(fault: Fault, hits: int, submitter: subprocess.Popen[str]) -> None:
    """Until a fault has hit so often, while the submitter waits for its job."""
    while fault.hits < hits:
        assert submitter.poll() is None, finish(submitter)
        time.sleep(0.05)


def test_storage_that_fails_for_a_while_is_told_and_costs_no_bit(
    project: Project, proxy: FaultProxy, world: World, tmp_path: Path
) -> None:
    """One training meets, one after the other, a server that is away, one that throttles, and keys that expire.

    The nodes have their keys from a file; storage stops to take them, and some seconds later the file holds others.
    """
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    world.s3.kill()
    time.sleep(OUTAGE_S)
    world.s3.start()
    wait_for(proxy.add("status", code=503, s3code="SlowDown", method="PUT", path="checkpoints/", times=2), 2, submitter)
    wait_for(proxy.add("status", code=400, s3code="ExpiredToken", signer=world.keys["AWS_ACCESS_KEY_ID"]), 1, submitter)
    world.write_credentials(*world.renewed)
    try:
        code, output = finish(submitter)
    finally:
        world.write_credentials(world.keys["AWS_ACCESS_KEY_ID"], world.keys["AWS_SECRET_ACCESS_KEY"])
    assert code == 0, output
    assert "rank 0 on " in output
    assert "storage cannot be reached, or hung up, attempt 2 of 12, waiting" in output
    assert "storage is slow (503 SlowDown), attempt 2 of 12, waiting" in output
    assert "the credentials have expired (400 ExpiredToken), attempt 2 of 12, waiting" in output
    assert same(project.weights(), reference(project, tmp_path / "here"))


def test_storage_that_stays_away_ends_the_run_and_the_next_command_goes_on(project: Project, world: World) -> None:
    project.configure(**TRAIN)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    world.s3.kill()
    clock = Clock("storage stays away")
    try:
        code, output = finish(submitter, 300)
        clock.note(f"code {code}")
    finally:
        world.s3.start()
    assert code == 1, output
    assert "storage cannot be reached, or hung up; check that the server runs, and AWS_ENDPOINT_URL (job run-" in output
    assert not (project.folder / "runs/train").exists()

    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert "step 1/3,000" not in output, "it began again from the start"


def test_credentials_that_nobody_renews_end_the_run_with_the_remedy(project: Project, proxy: FaultProxy) -> None:
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    proxy.add("status", code=400, s3code="ExpiredToken")
    clock = Clock("credentials expire, nobody renews them")
    code, output = finish(submitter)
    clock.note(f"code {code}")
    assert code == 1, output
    assert "the credentials have expired (400 ExpiredToken); renew them (the role, the profile" in output
    proxy.clear()
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert "step 1/3,000" not in output, "it began again from the start"
