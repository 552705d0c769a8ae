"""The nodes of a small Ray cluster on this machine: a head and workers, each a process of its own that can be killed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from infra.cluster.cable import Cable
from ssgan.cluster.connection import ENVIRONMENT, set_environment

START_S, GRACE_S = 180.0, 60.0
TRIES = 3  # to start a node
OBJECT_STORE_BYTES = 100 << 20


class NodesError(RuntimeError):
    """A node did not start; says which and what its log said last."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def new_token(path: Path, token: str | None = None) -> Path:
    """A file with that token, or a fresh one, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token or secrets.token_hex(32))
    return path


def own_token() -> str:
    """The token that Ray uses in this process; one is made where there is none."""
    set_environment()
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    ensure_token_if_auth_enabled()
    return str(AuthenticationTokenLoader.instance().get_raw_token())


class Nodes:
    """A head and its workers. ``environment`` is what the nodes get besides this process's own: the keys of storage.

    With a ``cable`` all nodes talk over it, and one worker may be at its far end; the cable stays the caller's.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        cpus: int = 1,
        dashboard_port: int | None = None,
        cable: Cable | None = None,
        token: str | None = None,
    ) -> None:
        self.folder, self.cpus, self.cable = folder, cpus, cable
        # Ray finds "its" cluster by a file in this folder: two clusters that share one get each other's jobs. Short: it holds
        # sockets, whose paths have at most 107 bytes.
        self.temporary = Path(tempfile.mkdtemp(prefix="ssgan-ray-"))
        self.token = new_token(folder / "token", token)
        self.port, self.dashboard_port = free_port(), dashboard_port or free_port()
        self.environment = {**os.environ, **ENVIRONMENT, "RAY_AUTH_TOKEN_PATH": str(self.token), **environment}
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the `python` of a job is this one
        for inherited in ("RAY_ADDRESS", "RAY_AUTH_TOKEN"):
            self.environment.pop(inherited, None)
        if cable:
            self.environment |= _by_cable(cable, self.environment)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """For ``cluster.address``."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def ray_address(self) -> str:
        """For RAY_ADDRESS."""
        return f"127.0.0.1:{self.port}"

    def start(self, workers: int = 1) -> Nodes:
        """Start the head and its workers and wait until all are there."""
        self.start_head()
        for i in range(workers):
            self.add_worker(f"worker-{i + 1}")
        self.wait(1 + workers)
        return self

    def start_head(self) -> None:
        """Start the head and wait until it answers. Raises NodesError if it does not."""
        options = [f"--port={self.port}", f"--dashboard-port={self.dashboard_port}", f"--temp-dir={self.temporary}"]
        # A known port: to learn one from the head, the client server waits half a minute and no longer, and ends the head then.
        options += ["--dashboard-host=127.0.0.1", f"--ray-client-server-port={free_port()}"]
        options += [f"--runtime-env-agent-port={free_port()}"]
        self._insist("head", lambda: self._start("head", "--head", *options, *self._own_address(far=False)))
        self.wait(1)

    def start_worker(self, name: str, environment: Mapping[str, str] | None = None, far: bool = False) -> None:
        """Start a worker; ``environment`` is laid over that of the other nodes, ``far``: at the far end of the cable."""
        host = self.cable.near if self.cable else "127.0.0.1"
        self._start(name, f"--address={host}:{self.port}", *self._own_address(far), far=far, **(environment or {}))

    def add_worker(self, name: str, environment: Mapping[str, str] | None = None, far: bool = False) -> None:
        """Start a worker and wait until it has joined. Raises NodesError if it does not."""
        self._insist(name, lambda: self.start_worker(name, environment, far))

    def _own_address(self, far: bool) -> list[str]:
        """How the other nodes reach this one; without a cable Ray finds out by itself."""
        if not self.cable:
            return []
        return [f"--node-ip-address={self.cable.far if far else self.cable.near}"]

    def _insist(self, name: str, start: Callable[[], None]) -> None:
        """Start a node until it is up; Ray's own gives up after half a minute, which a busy machine may need."""
        for _ in range(TRIES):
            start()
            deadline = time.monotonic() + START_S
            while self.processes[name].poll() is None and time.monotonic() < deadline:
                if "Ray runtime started" in self._log(name):
                    return
                time.sleep(0.2)
            last_words = self._last_words(name)
            self.kill(name)
        raise NodesError(f"{name} did not start, {TRIES} times: {last_words}")

    def _start(self, name: str, *options: str, far: bool = False, **environment: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", *options]
        command += [f"--node-name={name}", f"--num-cpus={self.cpus}", f"--object-store-memory={OBJECT_STORE_BYTES}"]
        # Any free port: jobs are started by the head's agent, which cannot be where another Ray of this machine has its own.
        command += ["--dashboard-agent-listen-port=0"]
        if far:
            assert self.cable, "a far end needs a cable"
            command = [*self.cable.inside, *command]
        # A session of its own: Ctrl-C for the submitter must not reach the cluster.
        self.processes[name] = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.environment | environment,
            start_new_session=True,
        )
        log.close()

    def alive(self) -> int:
        """Nodes that the head counts; 0 where it does not answer."""
        request = urllib.request.Request(
            f"{self.address}/nodes?view=summary", headers={"Authorization": f"Bearer {self.token.read_text()}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                nodes = json.load(answer)["data"]["summary"]
        except (urllib.error.URLError, TimeoutError, ConnectionError, KeyError, ValueError):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def wait(self, nodes: int, seconds: float = START_S) -> None:
        """Until the head counts so many living nodes. Raises NodesError if it takes too long or a process has ended."""
        deadline = time.monotonic() + seconds
        while self.alive() != nodes:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise NodesError(f"{name} ended with code {process.returncode}: {self._last_words(name)}")
            if time.monotonic() > deadline:
                raise NodesError(f"{self.alive()} of {nodes} nodes after {seconds:.0f} s: {self._last_words('head')}")
            time.sleep(0.5)

    def _last_words(self, name: str) -> str:
        lines = self._log(name).strip().splitlines()
        return lines[-1] if lines else "no output"

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """End a node and all that runs on it at once, as if its machine had lost power."""
        tree = self._tree(name)
        process = self.processes.pop(name)
        for one in tree:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a node leaves behind that has ended by itself
        process.wait()

    def freeze(self, name: str) -> None:
        """Stop a node and all that runs on it: its connections stay open and silent, as behind a pulled cable."""
        for _ in range(2):  # once more for what was started meanwhile
            for process in self._tree(name):
                with suppress(psutil.NoSuchProcess):
                    process.suspend()

    def thaw(self, name: str) -> None:
        """Let a frozen node go on."""
        for process in self._tree(name):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _tree(self, name: str) -> list[psutil.Process]:
        """The processes of a node; Ray starts its workers in groups of their own."""
        try:
            root = psutil.Process(self.processes[name].pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """Kill all nodes: no goodbye, which takes some fifteen seconds."""
        for name in list(self.processes):
            self.kill(name)
        self.stop()

    def stop(self) -> None:
        """End all nodes; each takes some fifteen seconds to say goodbye, all at the same time."""
        for name, process in self.processes.items():
            process.terminate()
            self.thaw(name)  # a frozen one would never hear of it
        processes = list(self.processes.values())
        self.processes.clear()
        deadline = time.monotonic() + GRACE_S
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what a node leaves behind
            process.wait()
        shutil.rmtree(self.temporary, ignore_errors=True)


def _by_cable(cable: Cable, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for talk over the cable: past any proxy, and gloo's sums by its interface, not by the host's name."""
    direct = [environment.get("NO_PROXY", ""), cable.near, cable.far]
    return {"NO_PROXY": ",".join(filter(None, direct)), "GLOO_SOCKET_IFNAME": cable.name}


@contextmanager
def local_cluster(workers: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """A head and workers, up, that accept this process's own token: its ``ray_address`` is all that Ray has to know here.

    The nodes share the address, the disk and the cores, so they show logic and overhead, not networks and not scaling.
    """
    with tempfile.TemporaryDirectory(prefix="ssgan-nodes-") as folder:
        nodes = Nodes(Path(folder), environment or {}, token=own_token())
        try:
            yield nodes.start(workers)
        finally:
            nodes.end()
