"""What tests of lost and of silent nodes share: a training of two workers, and where they are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil

from infra.cluster.nodes import Nodes
from ssgan.data.files import SplitFiles
from ssgan.training import experiment
from tests.support.data import config, context, run_of

TWO: dict[str, Any] = {"num_workers": 2, "steps": 1000, "val_every": 500, "checkpoint_every": 100}


def train_on_rank(root: str, folder: str) -> None:
    """The training of ``TWO`` by plain processes, for ``run_ranks``."""
    two_workers = config(train={"backend": "ray", "cpus_per_worker": 1, **TWO})
    experiment.train(run_of(two_workers, SplitFiles(root)), "main", context(Path(folder)))


def processes(nodes: Nodes, node: str, name: str) -> list[psutil.Process]:
    """Ray's processes of that name below a node (a process that this test started)."""
    found = []
    for process in psutil.Process(nodes.processes[node].pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                found.append(process)
    return found


def training_processes(nodes: Nodes, node: str) -> list[psutil.Process]:
    return processes(nodes, node, "RayTrainWorker")
