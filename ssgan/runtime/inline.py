"""The very same training in this process, without Ray: for tests, debugging and a quick look."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError, TrainingError
from ssgan.experiment import Edge, Role, train
from ssgan.runtime.storage import open_store
from ssgan.runtime.workspace import live_board
from ssgan.training.tick import Tick


def run(
    config: Config,
    files: SplitFiles,
    run_id: str,
    identity: dict[str, Any],
    roles: Sequence[Role],
    on_tick: Callable[[Role, Tick], None],
) -> None:
    """Train the given roles, one after the other."""
    if config.train.num_workers != 1:
        raise ConfigError(
            f"`train.num_workers` is {config.train.num_workers}, but train.backend 'inline' is one process; "
            "set it to 1, or train.backend to 'ray'"
        )
    torch.set_num_threads(config.train.cpus_per_worker or len(os.sched_getaffinity(0)))
    store = open_store(config.storage.url)
    with live_board(config.storage.url, run_id) as board:
        edge = Edge(store, run_id, identity, _device(config), on_tick, board)
        for role in roles:
            train(config, files, role, edge)


def _device(config: Config) -> torch.device:
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError("`train.device` is 'cuda', but torch sees no GPU here; set it to auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
