"""A real cluster for these tests: two Ray nodes as processes of their own, a token, and S3 as the only shared disk."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from infra.cluster.cable import Cable
from infra.cluster.nodes import Nodes
from infra.s3.local import REGION, make_bucket
from infra.s3.weed import Weed
from ssgan.storage.store import open_store
from tests.support import clock
from tests.support.data import config, final_weights, write_splits
from tests.support.ranks import run_ranks
from tests.support.two_workers import train_on_rank

BUCKET = "ssgan-cluster"
BIN = Path(sys.executable).parent
WORKER = "worker-1"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the failures of these tests cost."""
    for line in clock.LINES:
        terminalreporter.write_line(f"measured: {line}")


class World:
    """The cluster, its storage, and the environment of somebody who may use both."""

    def __init__(self, folder: Path) -> None:
        key, secret = secrets.token_hex(10), secrets.token_hex(20)
        self.renewed = (secrets.token_hex(10), secrets.token_hex(20))
        admin = ["Admin", "Read", "List", "Tagging", "Write"]
        other = {
            "name": "renewed",
            "credentials": [{"accessKey": self.renewed[0], "secretKey": self.renewed[1]}],
            "actions": admin,
        }
        self.s3 = Weed(folder / "s3", key, secret, identities=(other,))
        self.keys = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "AWS_ENDPOINT_URL": self.s3.endpoint,
        }
        (folder / "nodes").mkdir()
        self.folder, self.credentials = folder, folder / "nodes/credentials"
        self.write_credentials(key, secret)
        self.nodes = self.new_nodes()

    def new_nodes(self, cable: Cable | None = None) -> Nodes:
        """Nodes that are not started yet, with the keys of storage in a file."""
        # A short heartbeat, so that a lost or silent node is missed within seconds.
        fast = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3"}
        fast["RAY_health_check_timeout_ms"] = "3000"
        fast["RAY_worker_niceness"] = "0"  # Ray's 15 starves its workers where the machine has other things to do
        places = {name: value for name, value in self.keys.items() if "ACCESS_KEY" not in name}
        profile = {"AWS_PROFILE": "nodes", "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials)}
        nodes = Nodes(self.folder / "nodes", {**places, **profile, **fast}, cable=cable)
        for name in self.keys.keys() - places.keys():
            nodes.environment.pop(name, None)  # they would win over the file
        return nodes

    def write_credentials(self, key: str, secret: str) -> None:
        """The file from which the nodes have their keys, replaced at once as a tool that renews them does."""
        part = self.credentials.with_suffix(".part")
        part.write_text(f"[nodes]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
        part.replace(self.credentials)

    @property
    def environment(self) -> dict[str, str]:
        """For commands of the submitter."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RAY_"))}
        return {
            **clean,
            **self.keys,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.nodes.token),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def start(self) -> None:
        self.s3.start()
        make_bucket(self.keys, BUCKET)
        self.nodes.start()

    def heal(self) -> None:
        """Two nodes again, whatever the last test has killed."""
        if "head" not in self.nodes.processes:
            self.end_nodes()
            self.nodes = self.new_nodes().start()
        elif WORKER not in self.nodes.processes:
            self.nodes.add_worker(WORKER)
            self.nodes.wait(2)

    def end_nodes(self) -> None:
        """At once: their goodbye takes some fifteen seconds, and no test here is about it."""
        for name in list(self.nodes.processes):
            self.nodes.kill(name)
        self.nodes.stop()

    def stop(self) -> None:
        self.end_nodes()
        self.s3.stop()


@pytest.fixture(scope="package")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of ``TWO`` where nothing happens: two plain processes, left alone."""
    folder = tmp_path_factory.mktemp("plain")
    splits = write_splits(folder / "splits")
    run_ranks(train_on_rank, 2, folder, splits.root, str(folder / "storage"))
    return final_weights(folder / "storage")


@pytest.fixture(scope="package")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("cluster"))
    try:
        world.start()
        yield world
    finally:
        world.stop()


class Project:
    """A folder with parameters and splits whose trainings go to the cluster."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        write_splits(folder / "data/splits")

    def configure(self, cluster: dict[str, Any] | None = None, **train: Any) -> None:
        """Write params.yaml; ``cluster`` is laid over that section, the rest is the section ``train``."""
        settings = {"backend": "ray", "cpus_per_worker": 1, "steps": 200, "val_every": 50, "checkpoint_every": 50, **train}
        parameters = config(
            train=settings,
            storage={"url": self.url},
            cluster={"address": self.world.nodes.address, "patience_s": 10.0, **(cluster or {})},
        )
        (self.folder / "params.yaml").write_text(yaml.safe_dump(parameters.model_dump(mode="json")))

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the project's folder, as a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.world.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *command: str, timeout: float = 200.0) -> tuple[int, str]:
        """Exit code and all output of a command."""
        return finish(self.start(*command), timeout)

    def keys(self, prefix: str) -> list[str]:
        """Complete folders below a prefix in storage."""
        return open_store(self.url).keys(prefix)

    def names(self) -> list[str]:
        """All objects in storage."""
        return list(open_store(self.url).objects.names(""))

    def runs(self) -> list[str]:
        """Ids of the runs that have left something in storage."""
        names = [name.removeprefix("checkpoints/") for name in self.names()]
        return sorted({name.split("/")[0] for name in names if name.startswith("run-")})

    def wait_for_checkpoint(self, submitter: subprocess.Popen[str], seconds: float = 400.0) -> str:
        """The key of the first checkpoint in storage, while the submitter waits for its job."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert submitter.poll() is None, f"the submitter ended before a checkpoint came: {finish(submitter)}"
            for run in self.runs():
                if found := self.keys(f"checkpoints/{run}/main"):
                    return found[0]
            time.sleep(0.2)
        raise AssertionError("no checkpoint came")

    def wait_for_another_checkpoint(self, submitter: subprocess.Popen[str], known: list[str], seconds: float = 300.0) -> None:
        """Until the run of ``known`` checkpoints has written one that is not among them, or is finished."""
        run, deadline = known[0].split("/")[1], time.monotonic() + seconds
        while time.monotonic() < deadline:
            if set(self.keys(f"checkpoints/{run}/main")) - set(known) or self.keys(f"{run}/main"):
                return
            assert submitter.poll() is None, f"the submitter ended before another checkpoint came: {finish(submitter)}"
            time.sleep(0.2)
        raise AssertionError("no other checkpoint came")

    def weights(self) -> dict[str, torch.Tensor]:
        """The result that came home."""
        return load_file(self.folder / "runs/train/main/last/model.safetensors")


def finish(process: subprocess.Popen[str], timeout: float = 200.0) -> tuple[int, str]:
    """Exit code and all output of a started command."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"still running after {timeout} s: {output}") from None
    return process.returncode, output


@pytest.fixture
def world(everything: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The cluster with both nodes; this process may use its storage."""
    everything.heal()
    for name, value in everything.keys.items():
        monkeypatch.setenv(name, value)
    return everything


@pytest.fixture
def project(world: World, tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    yield Project(folder, world)
    shutil.rmtree(folder, ignore_errors=True)
