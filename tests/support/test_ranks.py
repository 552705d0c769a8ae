"""The pool of ranks: started once, like new for every call, and not harmed by a call that fails."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from tests.support.ranks import RankError, run_ranks


def who_and_draws() -> tuple[int, float, float, float]:
    return os.getpid(), random.random(), float(np.random.random()), float(torch.rand(()))


def leave(how: str) -> None:
    """Rank 1 leaves while the others wait for it."""
    if dist.get_rank() == 1:
        if how == "raise":
            raise ValueError("not today")
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def test_the_processes_stay_and_draws_begin_again(tmp_path: Path) -> None:
    first, second = (run_ranks(who_and_draws, 2, tmp_path) for _ in range(2))
    assert first == second
    assert len({pid for pid, *_ in first} | {os.getpid()}) == 3


@pytest.mark.parametrize(
    ("how", "said"),
    [("raise", r"(?s)rank 1 of 2 failed:.*in leave.*ValueError: not today"), ("kill", r"rank 1 of 2 .* code -9")],
)
def test_a_rank_that_leaves_is_told_and_the_next_call_has_new_ones(how: str, said: str, tmp_path: Path) -> None:
    before = {pid for pid, *_ in run_ranks(who_and_draws, 2, tmp_path)}
    with pytest.raises(RankError, match=said):
        run_ranks(leave, 2, tmp_path, how)
    after = {pid for pid, *_ in run_ranks(who_and_draws, 2, tmp_path)}
    assert not before & after
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)
