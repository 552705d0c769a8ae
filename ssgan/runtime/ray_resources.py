"""How many workers a Ray cluster has room for: an answer at once, where Ray itself would wait for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssgan.config import TrainConfig
from ssgan.errors import TrainingError


def available(ray: Any, train: TrainConfig) -> tuple[int, bool]:
    """CPUs per worker and whether workers use a GPU. Raises TrainingError at once if the cluster has too few."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return resources([(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes], train)


def resources(nodes: Sequence[tuple[int, int]], train: TrainConfig) -> tuple[int, bool]:
    """CPUs per worker, and whether workers use a GPU, on nodes with so many (CPUs, GPUs).

    A worker lies on one node: two nodes with one CPU each have room for two workers of one CPU, for none of two. Raises
    TrainingError if there is not enough room.
    """
    gpus = sum(gpu for _, gpu in nodes)
    gpu = train.device == "cuda" or (train.device == "auto" and gpus >= train.num_workers)
    if gpus < train.num_workers and gpu:
        raise TrainingError(
            f"`train.num_workers` is {train.num_workers} with train.device 'cuda', but the cluster has {gpus} GPUs; "
            "lower it, or set train.device to auto or cpu"
        )

    def room(cpus: int) -> int:
        return sum(min(cpu // cpus, gpu_count if gpu else cpu) for cpu, gpu_count in nodes)

    most = max((cpu for cpu, _ in nodes), default=0)
    fitting = [cpus for cpus in range(1, most + 1) if room(cpus) >= train.num_workers]
    cpus = train.cpus_per_worker or max(fitting, default=1)
    if cpus not in fitting:
        raise TrainingError(
            f"`train.num_workers` is {train.num_workers} with {cpus} CPUs each, but the cluster has room for {room(cpus)} "
            f"(CPUs of its nodes: {', '.join(str(cpu) for cpu, _ in nodes) or 'none'}); "
            "lower train.num_workers or train.cpus_per_worker"
        )
    return cpus, gpu
