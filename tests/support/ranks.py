"""Runs a function in several processes that form a gloo group, as Ray Train does, without Ray.

The processes of each number of ranks start once and run one function after the other: most of the time of a new process goes
into imports. Every call has a group of its own and begins with the random states of a new process; a call that fails ends its
processes, and the next one starts new ones.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

# A fork server imports these once for all processes of all pools. (torch._dynamo is what torch.optim imports on first use.)
PRELOAD = ["torch._dynamo", "ssgan.training.experiment", "tests.support.ranks"]


class RankError(Exception):
    """A rank raised an exception, or its process is gone."""


def run_ranks(function: Callable[..., Any], world: int, folder: Path, *args: Any) -> list[Any]:
    """Call ``function(*args)`` on every rank; returns what each returned. ``function`` must be importable.

    Raises:
        RankError: with the traceback of what failed first; all ranks are ended.
    """
    if world not in _pools:
        _pools[world] = _Pool(world)
    try:
        _pools[world].call(function, folder, args)
    except BaseException:  # a test that ran out of time too: its ranks still wait for each other
        _pools.pop(world).kill()
        raise
    return [torch.load(folder / f"rank{r}.pt", weights_only=False) for r in range(world)]


class _Pool:
    """So many processes, which wait for calls. They end with this process."""

    def __init__(self, world: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        self.processes, self.connections = [], []
        for rank in range(world):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, rank, world), daemon=True)
            process.start()
            there.close()  # so that the end of the process is the end of the connection
            self.processes.append(process)
            self.connections.append(here)

    def call(self, function: Callable[..., Any], folder: Path, args: tuple[Any, ...]) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        for connection in self.connections:
            connection.send((function, args, folder, port, Path.cwd()))
        waiting = list(range(len(self.connections)))
        errors: list[str] = []
        while waiting and (ready := wait([self.connections[rank] for rank in waiting], 0 if errors else None)):
            for rank in [rank for rank in waiting if self.connections[rank] in ready]:
                waiting.remove(rank)
                errors += self._errors(rank)
        if errors:  # of a rank that died, and of those that noticed
            raise RankError("\n".join(errors))

    def _errors(self, rank: int) -> list[str]:
        """What went wrong on a rank that has answered, or whose process is gone."""
        name = f"rank {rank} of {len(self.processes)}"
        try:
            answer = self.connections[rank].recv()
        except (EOFError, ConnectionResetError):
            self.processes[rank].join(10)
            return [f"{name} ended with exit code {self.processes[rank].exitcode}"]
        return [f"{name} failed:\n{answer}"] if answer else []

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
        for process, connection in zip(self.processes, self.connections, strict=True):
            process.join()
            connection.close()


_pools: dict[int, _Pool] = {}  # by the number of ranks


def _serve(connection: Connection, rank: int, world: int) -> None:
    """The life of a process: calls, until nobody is left who could make one."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    while True:
        error = None
        try:
            function, args, folder, port, cwd = connection.recv()  # imports the module of the function
            torch.set_rng_state(states[0])
            random.setstate(states[1])
            np.random.set_state(states[2])
            os.chdir(cwd)
            dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
            dist.barrier()  # who is done at once must not leave while others still connect: their start would fail
            torch.save(function(*args), folder / f"rank{rank}.pt")
            dist.destroy_process_group()
        except EOFError:
            return
        except Exception:  # the group stays, or the others would fail too, and hide what was first
            error = traceback.format_exc()
        connection.send(error)
