"""A real cluster for tests: two Ray nodes as processes of their own, a token, and S3 as the only shared disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from infra.cluster.cable import Cable
from infra.cluster.nodes import Nodes
from infra.s3.local import REGION, make_bucket
from infra.s3.weed import Weed
from tests.support.two_workers import processes

BUCKET = "ssgan-cluster"
BIN = Path(sys.executable).parent
WORKER = "worker-1"
IMPATIENT = Path(__file__).with_name("impatient")  # its sitecustomize.py shortens what the nodes' processes only wait for

# A short heartbeat, so that a lost or silent node is missed within seconds.
FAST = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_worker_niceness": "0",  # Ray's 15 starves its workers where the machine has other things to do
}


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
        places = {name: value for name, value in self.keys.items() if "ACCESS_KEY" not in name}
        profile = {"AWS_PROFILE": "nodes", "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials)}
        path = os.pathsep.join([str(IMPATIENT), *filter(None, [os.environ.get("PYTHONPATH")])])
        nodes = Nodes(self.folder / "nodes", {**places, **profile, **FAST, "PYTHONPATH": path}, cable=cable)
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
            self.nodes.end()
            self.nodes = self.new_nodes().start()
        elif WORKER not in self.nodes.processes:
            self.nodes.add_worker(WORKER)
            self.nodes.wait(2)

    @contextlib.contextmanager
    def paused(self, name: str = "RayTrainWorker") -> Iterator[None]:
        """Inside, processes of that name stand still, however long commands take meanwhile; nobody is told, nothing is lost."""
        found = [process for node in self.nodes.processes for process in processes(self.nodes, node, name)]
        assert found, f"no process is called {name}"
        for process in found:
            process.suspend()
        try:
            yield
        finally:
            for process in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def stop(self) -> None:
        self.nodes.end()
        self.s3.stop()
