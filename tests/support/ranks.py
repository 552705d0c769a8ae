"""Runs a function in several processes that form a gloo group, as Ray Train does, without Ray."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes


def run_ranks(function: Callable[..., Any], world: int, folder: Path, *args: Any) -> list[Any]:
    """Call ``function(*args)`` on every rank; returns what each returned. ``function`` must be importable."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    # A fork server imports torch once for all tests; spawning would import it in every process.
    # (torch._dynamo is what torch.optim imports on first use.)
    multiprocessing.set_forkserver_preload(["torch._dynamo", "ssgan.training.experiment", "tests.support.ranks"])
    entry_args = (function, world, port, str(folder), args)
    start_processes(_entry, entry_args, nprocs=world, join=True, start_method="forkserver")  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank{r}.pt", weights_only=False) for r in range(world)]


def _entry(rank: int, function: Callable[..., Any], world: int, port: int, folder: str, args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    dist.barrier()  # who is done at once must not leave while others still connect: their start would fail
    try:
        torch.save(function(*args), Path(folder) / f"rank{rank}.pt")
    finally:
        dist.destroy_process_group()
