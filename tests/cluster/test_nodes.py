"""Nodes that lose their network or their disk while they train."""

from __future__ import annotations

import contextlib
import copy
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cluster.network import Network, NetworkError
from tests.cluster.conftest import Project, World, finish
from tests.cluster.test_failures import TWO, training_processes, two_plain_processes
from tests.s3.faultproxy import FaultProxy
from tests.support import same

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]

WORKERS = ("worker-1", "worker-2")


@pytest.fixture
def apart(world: World, tmp_path: Path) -> Iterator[World]:
    """A cluster of three nodes, two of them in network namespaces with addresses of their own."""
    try:
        network = Network().__enter__()
    except NetworkError as error:
        pytest.skip(f"no network namespaces here: {error}")
    there = copy.copy(world)
    (tmp_path / "nodes").mkdir()
    try:
        with FaultProxy(world.s3.port, host=network.address) as way:  # the server listens on loopback only
            no_proxy = f"127.0.0.1,{network.address}"
            there.nodes = world.make_nodes(tmp_path / "nodes", network, AWS_ENDPOINT_URL=way.endpoint, NO_PROXY=no_proxy)
            try:
                there.nodes.start(len(WORKERS))
                yield there
            finally:
                there.nodes.stop()
    finally:
        network.close()


def test_a_node_cut_off_from_the_network_changes_no_bit(apart: World, tmp_path: Path) -> None:
    """Two workers on two of three nodes; a cable is pulled, nobody is told, and the third node takes over."""
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", apart)
    plain = two_plain_processes(project, tmp_path)
    project.configure(**TWO)
    submitter = project.start("ssgan", "train")
    project.wait_for_checkpoint(submitter)
    network, victim = apart.nodes.network, next(name for name in WORKERS if training_processes(apart, name))
    assert network
    network.cut(victim)
    begin = time.monotonic()
    apart.nodes.wait(2)
    missed_s = time.monotonic() - begin
    code, output = finish(submitter, 300)
    print(f"missed after {missed_s:.0f} s, finished {time.monotonic() - begin:.0f} s after the cut")  # noqa: T201
    assert code == 0, output
    assert same(project.weights(), plain)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(path: Path) -> None:
    """Write into a file until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def test_a_full_disk_is_told_and_the_next_command_goes_on(project: Project, small_disk: Path) -> None:
    train = {"steps": 4000, "val_every": 500, "checkpoint_every": 400, "seed": 30}
    environment = {"environment": {"TMPDIR": str(small_disk)}}
    project.configure(environment, **train)
    submitter = project.start("ssgan", "train")
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    fill(small_disk / "filler")
    assert shutil.disk_usage(small_disk).free < 1 << 16
    code, output = finish(submitter)
    assert code == 1, output
    assert "the disk is full where rank 0 on " in output
    assert f"({small_disk}); free space there, or set TMPDIR" in output
    assert project.keys(f"{run}/main") == [], "nothing that looks like a result"

    (small_disk / "filler").unlink()
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert "step 1/4,000" not in output, "it began again from the start"
