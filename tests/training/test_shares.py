"""A global batch is shared evenly by every number of workers that a run may have, or the run does not begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssgan.config import MethodConfig, TrainConfig
from ssgan.core.distributed import rank
from ssgan.errors import ConfigError
from ssgan.training.shares import require_even_shares
from tests.support.ranks import run_ranks


def refusal(sizes: dict[str, Any], **train: Any) -> str:
    try:
        require_even_shares(TrainConfig(**train), MethodConfig(**sizes))
    except ConfigError as error:
        return f"{rank()}: {error}"
    return ""


def test_two_ranks_refuse_an_odd_batch(tmp_path: Path) -> None:
    for i, text in enumerate(run_ranks(refusal, 2, tmp_path, {"batch_size": 20, "labeled_batch_size": 5})):
        assert text.startswith(f"{i}: method.options.labeled_batch_size is 5, which 2 workers cannot share evenly")


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"batch_size": 12, "labeled_batch_size": 24}, ""),
        (
            {"batch_size": 24, "labeled_batch_size": 6},
            "labeled_batch_size is 6, which 4 workers cannot share evenly",
        ),
        (
            {"batch_size": 20, "labeled_batch_size": 12},
            "which 3 workers cannot share evenly; make it a multiple of 12",
        ),
        ({"batch_size": 10, "labeled_batch_size": 12}, "batch_size is 10, which 3 or 4 workers cannot"),
    ],
)
def test_a_range_of_workers_needs_batches_that_all_of_them_share(sizes: dict[str, int], sentence: str) -> None:
    text = refusal(sizes, num_workers=4, min_workers=1, cpus_per_worker=1)
    assert sentence in text
    assert bool(text) == bool(sentence)
