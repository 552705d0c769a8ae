"""A node that falls silent: its connections stay open, as behind a pulled cable, and later it comes back to life."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import WORKER, Project, World, finish
from tests.cluster.measure import Clock
from tests.cluster.test_failures import TWO, training_processes, two_plain_processes
from tests.support import same

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(900)]

STAND_IN = "worker-2"
IN_FLIGHT_S = 15.0  # a checkpoint that was on its way when the node froze arrives within these


@pytest.fixture
def frozen(world: World) -> Iterator[World]:
    """Afterwards neither the frozen node nor its stand-in is left."""
    yield world
    for name in (WORKER, STAND_IN):
        if name in world.nodes.processes:
            world.nodes.kill(name)


def freeze(project: Project, world: World, submitter: subprocess.Popen[str], fault: str) -> tuple[Clock, list[str]]:
    """Freeze the node of one of two workers. Returns a running clock and the checkpoints that were written before."""
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    assert training_processes(world, WORKER), "the node must have had a worker"
    world.nodes.freeze(WORKER)
    clock = Clock(fault)
    time.sleep(IN_FLIGHT_S)
    return clock, project.keys(f"checkpoints/{run}/main")


def test_a_frozen_node_is_replaced_and_changes_no_bit_even_when_it_wakes_up(
    project: Project, frozen: World, tmp_path: Path
) -> None:
    plain = two_plain_processes(project, tmp_path)
    project.configure(**TWO)
    submitter = project.start("ssgan", "train")
    clock, known = freeze(project, frozen, submitter, "frozen node, replaced")
    frozen.nodes.add_worker(STAND_IN)
    project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint")
    assert training_processes(frozen, STAND_IN), "the run goes on with the new node"
    frozen.nodes.thaw(WORKER)
    code, output = finish(submitter, 300)
    assert code == 0, output
    assert same(project.weights(), plain)
    with contextlib.suppress(subprocess.TimeoutExpired):
        frozen.nodes.processes[WORKER].wait(60)
    assert frozen.nodes.processes[WORKER].poll() is not None, "the node finds that it was given up, and ends"
    assert not training_processes(frozen, "head"), "nothing of the run is left"


def test_with_a_range_of_workers_a_frozen_node_is_not_waited_for_and_a_new_one_is_taken(
    project: Project, frozen: World
) -> None:
    """Two workers, then one, then two again, each time from the last checkpoint."""
    project.configure(**TWO | {"steps": 1_000_000}, seed=10, min_workers=1)
    submitter = project.start("ssgan", "train")
    clock, known = freeze(project, frozen, submitter, "frozen node, not replaced, train.min_workers")
    project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint, of one worker")
    frozen.nodes.thaw(WORKER)
    frozen.nodes.add_worker(STAND_IN)
    clock = Clock("new node, train.min_workers")
    while not training_processes(frozen, STAND_IN):
        assert submitter.poll() is None, finish(submitter)
        time.sleep(0.5)
    clock.note("a worker on it")
    project.wait_for_another_checkpoint(submitter, project.keys(f"checkpoints/{project.runs()[0]}/main"))
    clock.note("the next checkpoint, of two workers")
    code, output = project.run("ssgan", "jobs", "stop", f"{project.runs()[0]}-1")
    assert code == 0, output
    code, output = finish(submitter)
    assert output.count("step 1/") == 1, "it began again from the start"


def test_a_frozen_node_that_nobody_replaces_ends_the_run_with_a_sentence(project: Project, frozen: World) -> None:
    project.configure(**TWO, seed=11, max_failures=1)
    submitter = project.start("ssgan", "train")
    clock, _ = freeze(project, frozen, submitter, "frozen node, not replaced")
    code, output = finish(submitter, 400)
    clock.note(f"code {code}")
    assert code == 1, output
    assert "workers were lost more than 1 times (train.max_failures)" in output
    assert not (project.folder / "runs/train").exists()
