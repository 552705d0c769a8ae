"""How the workers of a run share its batches."""

from __future__ import annotations

import math

from ssgan.config import Config, MethodConfig, TrainConfig
from ssgan.core.distributed import world_size
from ssgan.errors import ConfigError


def require_even_shares(train: TrainConfig, method_config: MethodConfig) -> None:
    """Every number of workers that the run may come to has to share its batches evenly. Raises ConfigError at the start."""
    worlds = sorted({*train.worker_range, world_size()})
    for key in ("batch_size", "labeled_batch_size"):
        size = getattr(method_config, key)
        if uneven := [n for n in worlds if size % n]:
            raise ConfigError(
                f"method.options.{key} is {size}, which {' or '.join(map(str, uneven))} workers cannot share evenly; "
                f"make it a multiple of {math.lcm(*worlds)}, or change train.num_workers or train.min_workers"
            )


def world_of(config: Config) -> int | list[int]:
    """The number of workers as checkpoints record it: all that are allowed, where it may change within a run."""
    return world_size() if config.train.min_workers is None else list(config.train.worker_range)
