"""A node that falls silent, frozen or cut off: its connections stay open, nobody answers, and later it comes back to life."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch

from infra.cluster.cable import Cable
from tests.support.clock import Clock
from tests.support.data import same
from tests.support.faultproxy import FaultProxy
from tests.support.submitter import Command, Project
from tests.support.two_workers import TWO, training_processes
from tests.support.world import WORKER, World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

STAND_IN = "worker-2"
IN_FLIGHT_S = 5.0  # a checkpoint that was on its way when the node fell silent arrives within these
GOODBYE_S = 90.0
# Ray waits a minute for the room of a lost worker; a test has seen enough after this.
IMPATIENT = {"environment": {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "20"}}


@pytest.fixture
def frozen(world: World) -> Iterator[World]:
    """Afterwards neither the frozen node nor its stand-in is left."""
    yield world
    for name in (WORKER, STAND_IN):
        if name in world.nodes.processes:
            world.nodes.kill(name)


@pytest.fixture
def wired(world: World, cable: Cable) -> Iterator[World]:
    """A cluster whose nodes talk over a cable; the worker is at its far end."""
    world.nodes.end()
    world.nodes = world.new_nodes(cable)
    try:
        world.nodes.start_head()
        world.nodes.add_worker(WORKER, far=True)
        world.nodes.wait(2)
        yield world
    finally:
        world.nodes.end()  # the next test gets ordinary ones


@pytest.fixture
def storage(wired: World, cable: Cable) -> Iterator[dict[str, dict[str, str]]]:
    """The section ``cluster`` for nodes that reach storage over the cable only."""
    with FaultProxy(wired.s3.port, host=cable.near) as relay:
        yield {"environment": {"AWS_ENDPOINT_URL": relay.endpoint}}


def silence(project: Project, submitter: Command, how: Callable[[], None], fault: str) -> tuple[Clock, list[str]]:
    """Silence the node of one of two workers. Returns a running clock and the checkpoints that were written before."""
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    assert training_processes(project.world.nodes, WORKER), "the node must have had a worker"
    how()
    clock = Clock(fault)
    time.sleep(IN_FLIGHT_S)
    return clock, project.keys(f"checkpoints/{run}/main")


def ends_by_itself(world: World, fault: str) -> None:
    """The node that was silent, and can be heard again, finds that it was given up."""
    clock = Clock(fault)
    code = world.nodes.processes[WORKER].wait(GOODBYE_S)
    clock.note(f"`ray start` ended with code {code}")
    assert code == 1


def test_a_node_that_is_cut_off_is_replaced_and_changes_no_bit(
    project: Project, wired: World, cable: Cable, storage: dict[str, dict[str, str]], plain: dict[str, torch.Tensor]
) -> None:
    """The cable of one of two nodes is pulled, against two plain processes that were left alone."""
    project.configure(storage, **TWO)
    submitter = project.start("ssgan", "train")
    clock, known = silence(project, submitter, cable.pull, "node cut off, replaced")
    wired.nodes.add_worker(STAND_IN)
    project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint")
    assert training_processes(wired.nodes, WORKER), "what runs on the lost node has not heard of it"
    cable.plug()
    ends_by_itself(wired, "cable plugged in again")
    code, output = submitter.finish()
    clock.note(f"code {code}, the run has ended")
    assert code == 0, output
    assert same(project.weights(), plain)
    assert output.count(f"step 1/{TWO['steps']:,}") == 1, "it began again from the start"


def test_with_a_range_of_workers_a_frozen_node_is_not_waited_for_and_a_new_one_is_taken(
    project: Project, frozen: World
) -> None:
    """Two workers, then one, then two again, each time from the last checkpoint."""
    project.configure(IMPATIENT, **TWO | {"steps": 1_000_000}, seed=10, min_workers=1)
    submitter = project.start("ssgan", "train")
    clock, known = silence(project, submitter, lambda: frozen.nodes.freeze(WORKER), "frozen node, train.min_workers")
    project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint, of one worker")
    assert len(training_processes(frozen.nodes, "head")) == 1
    frozen.nodes.thaw(WORKER)
    ends_by_itself(frozen, "frozen node let go on")
    clock = Clock("new node, train.min_workers")
    frozen.nodes.add_worker(STAND_IN)
    submitter.wait_until("a worker on the new node", lambda: training_processes(frozen.nodes, STAND_IN))
    clock.note("a worker on it")
    run = known[0].split("/")[1]
    project.wait_for_another_checkpoint(submitter, project.keys(f"checkpoints/{run}/main"))
    clock.note("the next checkpoint, of two workers")
    assert [len(training_processes(frozen.nodes, node)) for node in ("head", STAND_IN)] == [1, 1]
    code, output = project.run("ssgan", "jobs", "stop", f"{run}-1")
    assert code == 0, output
    code, output = submitter.finish()
    assert output.count("step 1/") == 1, "it began again from the start"


def test_a_frozen_node_that_nobody_replaces_ends_the_run_with_a_sentence(project: Project, frozen: World) -> None:
    project.configure(IMPATIENT, **TWO, seed=11, max_failures=1)
    submitter = project.start("ssgan", "train")
    clock, _ = silence(
        project, submitter, lambda: frozen.nodes.freeze(WORKER), "frozen node, not replaced, train.max_failures: 1"
    )
    code, output = submitter.finish()
    clock.note(f"code {code}")
    assert code == 1, output
    assert "workers were lost more than 1 times (train.max_failures)" in output
    assert not (project.folder / "runs/train").exists()
