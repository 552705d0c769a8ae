"""Storage that fails while a cluster trains: what passes costs time and no bit, what stays ends with the remedy."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.data import final_weights, same
from tests.support.fault import Fault
from tests.support.faultproxy import FaultProxy
from tests.support.submitter import Command, Project, reference
from tests.support.world import World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

TRAIN: dict[str, Any] = {"steps": 8000, "val_every": 2000, "checkpoint_every": 100}
STEP_1 = "step 1/8,000"
OUTAGE_S = 6.0


@pytest.fixture
def proxy(world: World, project: Project) -> Iterator[FaultProxy]:
    """Stands between the nodes, but not the submitter, and storage."""
    with FaultProxy(world.s3.port) as proxy:
        project.configure({"environment": {"AWS_ENDPOINT_URL": proxy.endpoint}}, **TRAIN)
        yield proxy


def wait_for(fault: Fault, hits: int, submitter: Command) -> None:
    """Until a fault has hit so often, while the submitter waits for its job."""
    submitter.wait_until(f"{hits} hits of {fault}", lambda: fault.hits >= hits)


def test_storage_that_fails_costs_no_bit(project: Project, proxy: FaultProxy, world: World, tmp_path: Path) -> None:
    """One training meets what passes, then what ends its first job, and what ends the second; the third goes on to its end."""
    submitter = project.start("ssgan", "train")
    known = [project.wait_for_checkpoint(submitter)]
    try:
        what_passes_costs_nothing(project, proxy, submitter, known)
    finally:
        world.write_credentials(world.keys["AWS_ACCESS_KEY_ID"], world.keys["AWS_SECRET_ACCESS_KEY"])
    with world.paused():  # so that steps are left for what comes next
        proxy.add("status", code=400, s3code="ExpiredToken")
    credentials_that_nobody_renews_end_the_job_with_the_remedy(proxy, submitter)
    storage_that_stays_away_ends_the_next_job(project, known)

    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert STEP_1 not in output, "it began again from the start"
    assert same(project.weights(), final_weights(reference(project, tmp_path / "here", **TRAIN)))


def what_passes_costs_nothing(project: Project, proxy: FaultProxy, submitter: Command, known: list[str]) -> None:
    """A server that is away, one that throttles, and keys that expire.

    The nodes have their keys from a file; storage stops to take them, and some seconds later the file holds others.
    """
    world = project.world
    world.s3.kill()
    time.sleep(OUTAGE_S)
    with world.paused():  # so that steps are left for what comes next
        world.s3.start()
        slow = proxy.add("status", code=503, s3code="SlowDown", method="PUT", path="checkpoints/", times=2)
    wait_for(slow, 2, submitter)
    wait_for(proxy.add("status", code=400, s3code="ExpiredToken", signer=world.keys["AWS_ACCESS_KEY_ID"]), 1, submitter)
    known = project.keys(f"checkpoints/{known[0].split('/')[1]}/main")
    world.write_credentials(*world.renewed)
    project.wait_for_another_checkpoint(submitter, known)


def credentials_that_nobody_renews_end_the_job_with_the_remedy(proxy: FaultProxy, submitter: Command) -> None:
    clock = Clock("credentials expire, nobody renews them")
    code, output = submitter.finish()
    clock.note(f"code {code}")
    assert code == 1, output
    assert "the credentials have expired (400 ExpiredToken); renew them (the role, the profile" in output
    assert output.count(STEP_1) == 1, "it began again from the start"
    for reason in (  # what has passed before
        "storage cannot be reached, or hung up",
        "storage is slow (503 SlowDown)",
        "the credentials have expired (400 ExpiredToken)",
    ):
        assert re.search(rf"rank 0 on .*{re.escape(reason)}, attempt 2 of 12, waiting", output), reason
    proxy.clear()


def storage_that_stays_away_ends_the_next_job(project: Project, known: list[str]) -> None:
    submitter = project.start("ssgan", "train")
    run = known[0].split("/")[1]
    project.wait_for_another_checkpoint(submitter, project.keys(f"checkpoints/{run}/main"))
    project.world.s3.kill()
    clock = Clock("storage stays away")
    try:
        code, output = submitter.finish()
        clock.note(f"code {code}")
    finally:
        project.world.s3.start()
    assert code == 1, output
    assert "storage cannot be reached, or hung up; check that the server runs, and AWS_ENDPOINT_URL (job run-" in output
    assert STEP_1 not in output, "it began again from the start"
    assert not (project.folder / "runs/train").exists()
