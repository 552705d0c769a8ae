"""Runs as trials of Ray Tune: how many fit, and one call that runs them. Used by ``ssgan tune`` and by the benchmarks.

Nothing but a few numbers goes through Ray: trials keep their checkpoints and results themselves (decision 0008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ssgan import scratch
from ssgan.errors import TrainingError
from ssgan.wording import counted

REMEDY = "lower tune.cpus_per_trial or tune.gpus_per_trial"


@dataclass(frozen=True)
class TrialCapacity:
    """How many trials fit.

    Attributes:
        at_once: trials that can run at the same time.
        text: the same, to be printed.
    """

    at_once: int
    text: str


def capacity(nodes: Sequence[dict[str, float]], cpus: int, gpus: float, wanted: int, remedy: str = REMEDY) -> TrialCapacity:
    """How many trials run at once, given the resources of each node: a trial lives on one of them.

    Raises:
        TrainingError: not a single one fits; Tune would wait for it forever.
    """
    fit = sum(_on(node, cpus, gpus) for node in nodes)
    most_cpus = int(max((node.get("CPU", 0) for node in nodes), default=0))
    most_gpus = int(max((node.get("GPU", 0) for node in nodes), default=0))
    each = _count(cpus, "CPU") + (f" and {_count(gpus, 'GPU')}" if gpus else "")
    if not fit:
        raise TrainingError(
            f"no trial fits: each needs {each} on one machine, but the largest has {_count(most_cpus, 'CPU')} and "
            f"{_count(most_gpus, 'GPU')}; {remedy}"
        )
    at_once = min(fit, wanted)
    total = ", ".join(_count(sum(node.get(kind, 0) for node in nodes), kind) for kind in ("CPU", "GPU"))
    where = f"{counted(len(nodes), 'machine')} with {total}"
    fitting = f"{counted(fit, 'trial')} of {each} fit at once"
    return TrialCapacity(at_once, f"{fitting} on {where}; {at_once} will run at once")


def _on(node: dict[str, float], cpus: int, gpus: float) -> int:
    by_cpu = math.floor(node.get("CPU", 0) / cpus)
    if not gpus:
        return by_cpu
    have = node.get("GPU", 0)
    # Ray does not spread a share over two GPUs, and gives more than one only as whole ones.
    by_gpu = math.floor(have) * math.floor(1 / gpus + 1e-9) if gpus <= 1 else math.floor(have / gpus)
    return min(by_cpu, by_gpu)


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}{'' if number == 1 else 's'}"


def nodes(ray: Any) -> list[dict[str, float]]:
    """Resources of each living node."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def run_trials(
    trial: Callable[[dict[str, Any]], None],
    space: dict[str, Any],
    resources: dict[str, float],
    *,
    samples: int = 1,
    at_once: int | None = None,
    search: Any = None,
    scheduler: Any = None,
    callbacks: Sequence[Any] = (),
    max_failures: int = 0,
) -> list[BaseException]:
    """Run all trials to their end, on a Ray that is connected. Returns the errors of those that failed.

    A trial whose process is lost starts again, ``max_failures`` times at most; it finds its own checkpoint.
    """
    from ray import tune

    with scratch.folder("tune") as folder:  # what Tune keeps is not read again
        tuner = tune.Tuner(
            tune.with_resources(trial, resources),
            param_space=space,
            tune_config=tune.TuneConfig(
                num_samples=samples, max_concurrent_trials=at_once, search_alg=search, scheduler=scheduler
            ),
            run_config=tune.RunConfig(
                storage_path=str(folder),
                verbose=0,
                callbacks=list(callbacks),
                failure_config=tune.FailureConfig(max_failures=max_failures),
            ),
        )
        return [result.error for result in tuner.fit() if result.error]
