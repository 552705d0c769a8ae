"""What is lost when a node, the head or a rank is lost: the steps since the last checkpoint, and never the truth."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import psutil
import pytest
import torch

from tests.on_cluster.conftest import WORKER, Project, World, finish
from tests.support.clock import Clock
from tests.support.data import same
from tests.support.two_workers import TWO, processes, training_processes

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_lost_node_changes_no_bit(project: Project, world: World, plain: dict[str, torch.Tensor]) -> None:
    """Two workers on two nodes, one node lost and replaced, against two plain processes that were left alone."""
    project.configure(**TWO)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    assert training_processes(world.nodes, WORKER), "the node must have had a worker"
    assert processes(world.nodes, "head", "Mailbox"), "what the driver needs lives beside the driver"
    world.nodes.kill(WORKER)
    clock = Clock("lost node, replaced")
    world.nodes.add_worker(WORKER)
    code, output = finish(submitter, 400)
    clock.note(f"code {code}, the run has ended")
    assert code == 0, output
    assert same(project.weights(), plain)


def test_with_a_range_of_workers_a_lost_node_is_not_waited_for(project: Project, world: World) -> None:
    project.configure(**TWO, seed=9, min_workers=1)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    assert training_processes(world.nodes, WORKER), "the node must have had a worker"
    world.nodes.kill(WORKER)
    clock = Clock("lost node, not replaced, train.min_workers")
    code, output = finish(submitter, 300)
    clock.note(f"code {code}, the run has ended")
    assert code == 0, output
    manifest = json.loads((project.folder / "runs/train/manifest.json").read_text())
    assert (manifest["steps"], manifest["world_size"]) == (TWO["steps"], 1)
    assert output.count("step 1/1,500") == 1, "it began again from the start"


def test_a_lost_head_is_an_error_and_a_new_cluster_goes_on(project: Project, world: World) -> None:
    project.configure(steps=3000, checkpoint_every=250, seed=7)
    submitter = project.start("ssgan", "train")
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    world.nodes.kill("head")
    clock = Clock("lost head")
    code, output = finish(submitter)
    clock.note(f"code {code}")
    assert code == 1, output
    assert "does not answer" in output
    assert not (project.folder / "runs/train").exists()

    world.heal()
    project.configure(steps=3000, checkpoint_every=250, seed=7)
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert run in output
    assert "step 1/3,000" not in output, "it began again from the start"


def test_a_hung_rank_is_told_with_the_stacks_of_the_others_and_replaced(project: Project, world: World) -> None:
    project.configure(**TWO, seed=8, step_timeout_s=6.0)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    (stopped,) = training_processes(world.nodes, WORKER)
    stopped.suspend()

    def wake() -> None:
        with contextlib.suppress(psutil.Error):
            stopped.resume()

    resume = threading.Timer(120, wake)
    resume.start()
    begin, clock = time.monotonic(), Clock("hung rank")
    code, output = finish(submitter, 300)
    clock.note(f"code {code}, the run has ended")
    resume.cancel()
    assert code == 0, output
    assert "has not finished a step for 6 s (train.step_timeout_s) and is ended; it is here:" in output
    assert "all_reduce" in output, "the stack says that it waited for another rank"
    assert time.monotonic() - begin < 200
