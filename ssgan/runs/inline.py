"""The same training in this process, without Ray: for tests, debugging and small runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ssgan.config import Config
from ssgan.errors import ConfigError, TrainingError
from ssgan.machine import cores
from ssgan.runs.curves import OnRecord, board_for
from ssgan.storage.lease import Guard, guarded
from ssgan.storage.store import open_store
from ssgan.training.context import ProgressEvent, Role, Run, RunContext
from ssgan.training.experiment import train
from ssgan.training.history import live_board


def train_roles(
    run: Run,
    roles: Sequence[Role],
    on_progress: Callable[[Role, ProgressEvent], None],
    on_record: OnRecord | None = None,
    guard: Guard | None = None,
) -> None:
    """Train the given roles, one after the other; ``guard``: the claim under which they are written.

    Raises ConfigError where more than one worker is asked for.
    """
    settings = run.config.train
    if settings.num_workers != 1:
        raise ConfigError(
            f"`train.num_workers` is {settings.num_workers}, but train.backend 'inline' is one process; "
            "set it to 1, or train.backend to 'ray'"
        )
    torch.set_num_threads(settings.cpus_per_worker or cores())
    with live_board(run.config.storage.url, run.id) as board:
        shown, store = board_for(run.config, board), guarded(open_store(run.config.storage.url), guard)
        context = RunContext(store, _device(run.config), on_progress, shown, on_record=on_record)
        for role in roles:
            train(run, role, context)


def _device(config: Config) -> torch.device:
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError("`train.device` is 'cuda', but torch sees no GPU here; set it to auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
