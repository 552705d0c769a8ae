"""How many workers a Ray cluster has room for: an answer in time, where Ray itself would wait forever."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ssgan.config import TrainConfig
from ssgan.errors import TrainingError

POLL_SECONDS = 1.0
Nodes = Sequence[tuple[int, int]]  # (CPUs, GPUs) of each


def available(ray: Any, train: TrainConfig, wait_s: float) -> tuple[int, bool]:
    """CPUs per worker and whether workers use a GPU.

    An autoscaling cluster is asked to grow and given ``wait_s`` seconds. Raises TrainingError if there is no room then.
    """
    from ray.autoscaler.sdk import request_resources

    def nodes() -> Nodes:
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in alive]

    return wait_for_room(nodes, train, wait_s, lambda bundles: request_resources(bundles=bundles))


def wait_for_room(
    nodes: Callable[[], Nodes], train: TrainConfig, wait_s: float, request: Callable[[list[dict[str, int]]], None]
) -> tuple[int, bool]:
    """``resources`` of the nodes as soon as there is room; meanwhile ``request`` holds what is missing.

    Raises TrainingError if there is none after ``wait_s`` seconds.
    """
    deadline = time.monotonic() + wait_s
    asked = False
    try:
        while True:
            try:
                return resources(nodes(), train)
            except TrainingError:
                if time.monotonic() >= deadline:
                    raise
            if not asked:
                worker = {"CPU": train.cpus_per_worker or 1} | ({"GPU": 1} if train.device == "cuda" else {})
                request([worker] * train.num_workers)
                asked = True
            time.sleep(POLL_SECONDS)
    finally:
        if asked:
            request([])  # the workers themselves hold the nodes from here on


def resources(nodes: Nodes, train: TrainConfig) -> tuple[int, bool]:
    """CPUs per worker, and whether workers use a GPU, on nodes with so many (CPUs, GPUs).

    A worker lies on one node: two nodes with one CPU each have room for two workers of one CPU, for none of two. Raises
    TrainingError if there is not enough room.
    """
    key = "train.num_workers" if train.min_workers is None else "train.min_workers"
    needed = train.worker_range[0]
    gpus = sum(gpu for _, gpu in nodes)
    gpu = train.device == "cuda" or (train.device == "auto" and gpus >= train.num_workers)
    if gpus < needed and gpu:
        raise TrainingError(
            f"`{key}` is {needed} with train.device 'cuda', but the cluster has {gpus} GPUs; "
            "lower it, or set train.device to auto or cpu"
        )

    def room(cpus: int) -> int:
        return sum(min(cpu // cpus, gpu_count if gpu else cpu) for cpu, gpu_count in nodes)

    most = max((cpu for cpu, _ in nodes), default=0)
    fitting = [cpus for cpus in range(1, most + 1) if room(cpus) >= needed]
    cpus = train.cpus_per_worker or max(fitting, default=1)
    if cpus not in fitting:
        raise TrainingError(
            f"`{key}` is {needed} with {cpus} CPUs each, but the cluster has room for {room(cpus)} "
            f"(CPUs of its nodes: {', '.join(str(cpu) for cpu, _ in nodes) or 'none'}); "
            f"lower {key} or train.cpus_per_worker; where the cluster grows by itself, raise cluster.room_timeout_s"
        )
    return cpus, gpu
