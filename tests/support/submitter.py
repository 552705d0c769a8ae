"""Somebody who submits to the cluster of ``tests/support/world.py``: a project's folder, and commands in it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from safetensors.torch import load_file

from ssgan.data.files import SplitFiles
from ssgan.runs import inline
from ssgan.storage.store import open_store
from tests.support.data import config, run_of, write_splits
from tests.support.world import BUCKET, World

POLL_S = 0.2

T = TypeVar("T")


class Command:
    """A command that runs; what it prints goes to a file, where it can be read while the command goes on."""

    def __init__(self, words: tuple[str, ...], folder: Path, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, what: str, seen: Callable[[], T], seconds: float = 400.0) -> T:
        """Until ``seen`` returns something true, which is returned. The command must neither end before nor wait too long."""
        deadline = time.monotonic() + seconds
        while not (found := seen()):
            assert self.process.poll() is None, f"it ended before this: {what}; {self.finish()}"
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; {self.output}"
            time.sleep(POLL_S)
        return found

    def wait_for_text(self, pattern: str, seconds: float = 400.0) -> None:
        """Until it has printed something."""
        self.wait_until(pattern, lambda: re.search(pattern, self.output, re.MULTILINE), seconds)

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def finish(self, timeout: float = 400.0) -> tuple[int, str]:
        """Wait for its end: exit code and all output."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {timeout} s: {self.output}") from None
        return self.process.returncode, self.output


class Project:
    """A folder with parameters and splits whose trainings go to the cluster."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        self._number = itertools.count()
        write_splits(folder / "data")

    def copied(self, name: str) -> Project:
        """The same project in another folder, as on a colleague's machine."""
        other = Project.__new__(Project)
        other.__dict__.update(self.__dict__, folder=self.folder.with_name(name))
        shutil.copytree(self.folder, other.folder)
        return other

    def configure(self, cluster: dict[str, Any] | None = None, sections: dict[str, Any] | None = None, **train: Any) -> None:
        """Write params.yaml; ``cluster`` is laid over that section, ``sections`` are others, the rest is ``train``."""
        settings = {"backend": "ray", "cpus_per_worker": 1, "steps": 200, "val_every": 50, "checkpoint_every": 50, **train}
        parameters = config(
            **(sections or {}),
            train=settings,
            storage={"url": self.url},
            cluster={"address": self.world.nodes.address, "patience_s": 10.0, **(cluster or {})},
        )
        (self.folder / "params.yaml").write_text(yaml.safe_dump(parameters.model_dump(mode="json")))

    def start(self, *command: str) -> Command:
        """Start a command in the project's folder, as a process group of its own."""
        log = self.folder.with_name(f"{self.folder.name}-{next(self._number)}.log")
        return Command(command, self.folder, self.world.environment, log)

    def run(self, *command: str, timeout: float = 400.0) -> tuple[int, str]:
        """Exit code and all output of a command."""
        return self.start(*command).finish(timeout)

    def jobs(self, run: str) -> list[tuple[str, str]]:
        """Attempt and status of the jobs of a run, as ``ssgan jobs list`` shows them."""
        code, listed = self.run("ssgan", "jobs", "list")
        assert code == 0, listed
        return re.findall(rf"^{run}-(\d+) +(\w+)", listed, re.MULTILINE)

    def keys(self, prefix: str) -> list[str]:
        """Complete folders below a prefix in storage."""
        return open_store(self.url).keys(prefix)

    def names(self, prefix: str = "") -> list[str]:
        """All objects in storage."""
        return list(open_store(self.url).objects.names(prefix))

    def runs(self) -> list[str]:
        """Ids of the runs that have left something in storage."""
        names = [name.removeprefix("checkpoints/") for name in self.names()]
        return sorted({name.split("/")[0] for name in names if name.startswith("run-")})

    def wait_for_checkpoint(self, submitter: Command, seconds: float = 400.0) -> str:
        """The key of the first checkpoint in storage, while the submitter waits for its job."""

        def first() -> str | None:
            return next((key for run in self.runs() for key in self.keys(f"checkpoints/{run}/main")), None)

        found = submitter.wait_until("a checkpoint", first, seconds)
        assert found
        return found

    def wait_for_another_checkpoint(self, submitter: Command, known: list[str], seconds: float = 400.0) -> list[str]:
        """All checkpoints, once the run of ``known`` ones has one that is not among them; it must not be finished then."""
        folder = f"checkpoints/{known[0].split('/')[1]}/main"
        submitter.wait_until("another checkpoint", lambda: set(self.keys(folder)) - set(known), seconds)
        return self.keys(folder)

    def weights(self) -> dict[str, torch.Tensor]:
        """The result that came home."""
        return load_file(self.folder / "runs/train/main/last/model.safetensors")


def reference(project: Project, folder: Path, identity: dict[str, Any] | None = None, **train: Any) -> Path:
    """The same training in this process, left alone; ``folder`` is its storage, and returned."""
    c = config(train={"cpus_per_worker": 1, **train}, storage={"url": str(folder)})
    run = run_of(c, SplitFiles(str(project.folder / "data/splits")), **(identity or {}))
    inline.train_roles(run, ["main"], lambda role, event: None)
    return folder
