"""Two Ray nodes and an S3 server on this machine: ``python -m infra.cluster.local start|stop|status`` (or ``make cluster``).

What a real cluster does, this one does: node processes of their own, a token, no disk in common with the submitter but S3. Its
logs, token and process numbers lie in ``.cluster``, which git ignores; ``.cluster/env`` holds what a shell needs to use it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from infra.cluster.nodes import GRACE_S, Nodes
from infra.s3 import local as s3

PORT = 8265


class Local:
    """The cluster that belongs to the project in ``root``."""

    def __init__(self, root: Path, port: int = PORT, workers: int = 1, cpus: int = 1) -> None:
        self.root, self.port, self.workers, self.cpus = root, port, workers, cpus
        self.folder = root / ".cluster"
        self.state, self.env = self.folder / "nodes.json", self.folder / "env"

    def start(self) -> str:
        """Start S3, head and workers unless they run; what to do next."""
        if self.processes():
            return f"already running\n{self._advice()}"
        storage = s3.Local(self.root)
        storage.start()
        keys = dict(_exports(storage.env.read_text()))
        self.folder.mkdir(exist_ok=True)
        nodes = Nodes(self.folder, keys, self.cpus, self.port)
        try:
            nodes.start(self.workers)
        except BaseException:
            nodes.stop()
            raise
        known = {name: [process.pid, psutil.Process(process.pid).create_time()] for name, process in nodes.processes.items()}
        self.state.write_text(json.dumps({"temporary": str(nodes.temporary), "nodes": known}))
        ours = {**keys, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(nodes.token)}
        s3.write_private(self.env, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in ours.items()))
        return f"{1 + self.workers} nodes with {self.cpus} CPU each\n{self._advice()}"

    def stop(self) -> str:
        """Stop the nodes that ``start`` started, and the S3 server."""
        running = self.processes()
        for process in reversed(list(running.values())):  # workers before the head
            process.send_signal(signal.SIGTERM)
            with suppress(psutil.TimeoutExpired):
                process.wait(GRACE_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if self.state.exists():
            shutil.rmtree(json.loads(self.state.read_text())["temporary"], ignore_errors=True)
            self.state.unlink()
        return f"stopped {', '.join(running) or 'nothing'}; S3 server: {s3.Local(self.root).stop()}"

    def status(self) -> str:
        """Which nodes run?"""
        running = self.processes()
        return f"running: {', '.join(running)}\n{self._advice()}" if running else "not running; start it with `make cluster`"

    def processes(self) -> dict[str, psutil.Process]:
        """The running nodes by name. The time of its start tells a process from another one that got its number."""
        known = json.loads(self.state.read_text())["nodes"] if self.state.exists() else {}
        found = {}
        for name, (pid, created) in known.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                    found[name] = process
        return found

    def _advice(self) -> str:
        return (
            "  source .cluster/env                     token of the cluster, keys and endpoint of S3\n"
            "  params.yaml: storage.url: s3://ssgan/runs\n"
            f"  params.yaml: cluster.address: http://127.0.0.1:{self.port}\n"
            "  dvc repro, or ssgan submit; ssgan jobs list; python -m infra.cluster.local stop ends it"
        )


def _exports(text: str) -> list[tuple[str, str]]:
    """Name and value of the lines ``export NAME=VALUE``."""
    words = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("export ")]
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.cluster.local", description="A small Ray cluster for this project.")
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--root", type=Path, default=Path(), help="the project (default: here)")
    parser.add_argument("--port", type=int, default=PORT, help="of the dashboard, to which jobs are submitted")
    parser.add_argument("--workers", type=int, default=1, help="nodes besides the head")
    parser.add_argument("--cpus", type=int, default=1, help="of each node, as Ray counts them")
    options = parser.parse_args(arguments)
    local = Local(options.root.resolve(), options.port, options.workers, options.cpus)
    sys.stdout.write(f"local cluster: {getattr(local, options.action)()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
