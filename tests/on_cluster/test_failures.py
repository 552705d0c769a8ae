"""What is lost when a node, the head or a rank is lost: the steps since the last checkpoint, and never the truth."""

from __future__ import annotations

import json
import time

import pytest
import torch

from tests.support.clock import Clock
from tests.support.data import same
from tests.support.submitter import Command, Project
from tests.support.two_workers import TWO, processes, training_processes
from tests.support.world import WORKER, World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

STEP_1 = f"step 1/{TWO['steps']:,}"


def test_a_hung_rank_a_lost_node_and_a_lost_head_change_no_bit(
    project: Project, world: World, plain: dict[str, torch.Tensor]
) -> None:
    """One training meets all three, one after the other, against two plain processes that were left alone."""
    project.configure(**TWO, step_timeout_s=6.0)
    submitter = project.start("ssgan", "train")
    known = [project.wait_for_checkpoint(submitter)]
    known = a_hung_rank_is_told_with_the_stacks_of_the_others_and_replaced(project, submitter, known)
    known = a_lost_node_is_replaced(project, submitter, known)
    a_lost_head_is_an_error(project, submitter)

    run = known[0].split("/")[1]
    world.heal()
    project.configure(**TWO, step_timeout_s=6.0)
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert f"submitted: {run}-1 " in output, "the new cluster knows of no other attempt"
    assert STEP_1 not in output, "it began again from the start"
    assert same(project.weights(), plain)


def a_hung_rank_is_told_with_the_stacks_of_the_others_and_replaced(
    project: Project, submitter: Command, known: list[str]
) -> list[str]:
    """Checkpoints, once there is one that was written after that."""
    (hung,) = training_processes(project.world.nodes, WORKER)
    hung.suspend()
    begin, clock = time.monotonic(), Clock("hung rank")
    submitter.wait_for_text(r"has not finished a step for 6 s \(train\.step_timeout_s\) and is ended; it is here:", 120)
    submitter.wait_for_text(r"dist\.all_(gather|reduce)", 30)  # the stack says that it waited for another rank
    known = project.keys(f"checkpoints/{known[0].split('/')[1]}/main")
    known = project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint")
    assert time.monotonic() - begin < 200
    assert [process for process in training_processes(project.world.nodes, WORKER) if process.pid != hung.pid], (
        "it was replaced"
    )
    return known


def a_lost_node_is_replaced(project: Project, submitter: Command, known: list[str]) -> list[str]:
    """Checkpoints, once there is one that was written after that."""
    nodes = project.world.nodes
    assert training_processes(nodes, WORKER), "the node must have had a worker"
    assert processes(nodes, "head", "Mailbox"), "what the driver needs lives beside the driver"
    nodes.kill(WORKER)
    clock = Clock("lost node, replaced")
    nodes.add_worker(WORKER)
    submitter.wait_until("a worker on the new node", lambda: training_processes(nodes, WORKER))
    known = project.keys(f"checkpoints/{known[0].split('/')[1]}/main")  # now: the head's rank may have had one in flight
    known = project.wait_for_another_checkpoint(submitter, known)
    clock.note("the next checkpoint")
    return known


def a_lost_head_is_an_error(project: Project, submitter: Command) -> None:
    project.world.nodes.kill("head")
    clock = Clock("lost head")
    code, output = submitter.finish()
    clock.note(f"code {code}")
    assert code == 1, output
    assert "does not answer" in output
    assert output.count(STEP_1) == 1, "it began again from the start"
    assert not (project.folder / "runs/train").exists()


def test_with_a_range_of_workers_a_lost_node_is_not_waited_for(project: Project, world: World) -> None:
    project.configure(**TWO, seed=9, min_workers=1)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    assert training_processes(world.nodes, WORKER), "the node must have had a worker"
    world.nodes.kill(WORKER)
    clock = Clock("lost node, not replaced, train.min_workers")
    code, output = submitter.finish()
    clock.note(f"code {code}, the run has ended")
    assert code == 0, output
    manifest = json.loads((project.folder / "runs/train/manifest.json").read_text())
    assert (manifest["steps"], manifest["world_size"]) == (TWO["steps"], 1)
    assert output.count(STEP_1) == 1, "it began again from the start"
