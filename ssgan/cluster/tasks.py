"""What every driver of Ray tasks needs: how many CPUs there are, and the outcome of one task, or an error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from ssgan.cluster.connection import connected
from ssgan.errors import DataError, SsganError

AHEAD = 4  # tasks in flight for each CPU
RETRIES = 5  # of a task whose process or node was lost; Ray's own 3 are few where nodes are cheap and short-lived
PATIENCE_S = 30.0  # until the driver checks whether any node is left to wait for
RECOUNT_S = 5.0  # between two counts of the CPUs of a cluster, which may grow


class Cpus:
    """How many CPUs the cluster has, asked for anew now and then."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._count, self._until = ray, 0, 0.0

    def __call__(self) -> int:
        if time.monotonic() > self._until:
            self._count = int(self._ray.cluster_resources().get("CPU", 0))
            self._until = time.monotonic() + RECOUNT_S
        return self._count


class ErrorText(NamedTuple):
    """How errors name a task and its remedies."""

    files: str  # "the 5 files from 'a' to 'b'"
    locally: str  # how to do the work without Ray
    less: str  # what to lower where memory is short


def outcome(ray: Any, cpus: Cpus, reference: Any, texts: ErrorText, retries: int = RETRIES) -> Any:
    """Wait for one task. Raises SsganError."""
    while True:
        try:
            return ray.get(reference, timeout=PATIENCE_S)
        except ray.exceptions.GetTimeoutError:
            if not cpus():
                raise DataError(
                    "the Ray cluster has lost all of its CPUs, so no node is left to read the files; add one and run again"
                ) from None
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, SsganError):
                raise cause from None
            raise DataError(
                f"the task for {texts.files} failed ({type(cause).__name__}: {cause}), which is an error of the code and "
                f"not of a file; {texts.locally} to see where, or move these files away"
            ) from cause
        except ray.exceptions.RayError as error:
            raise DataError(
                f"the task for {texts.files} was lost {retries + 1} times ({type(error).__name__}), for want of memory or "
                f"because a file kills its decoder; {texts.less}, or move these files away, and run again"
            ) from error


Begin = Callable[[Any], Callable[[], Any]]  # starts a task; what it returns waits for the outcome


@contextmanager
def started_tasks(
    function: Callable[[Any, Any], Any], shared: Any, texts: Callable[[Any], ErrorText], key: str, store_bytes: int
) -> Iterator[tuple[Begin, Callable[[], int]]]:
    """How to start tasks of the cluster at RAY_ADDRESS, or of a local Ray that ends with the block, and how many at once.

    Args:
        function: of ``shared``, which travels once, and of what is given to ``Begin``.
        key: of params.yaml, which asked for Ray.
        store_bytes: room for what is in flight, of a local Ray.
    """
    with connected(store_bytes) as ray:
        cpus = Cpus(ray)
        if not cpus():
            raise DataError(f"{key} is 'ray', but the cluster at RAY_ADDRESS has no CPU; add a node, or set it to local")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        there = ray.put(shared)

        def begin(todo: Any) -> Callable[[], Any]:
            return partial(outcome, ray, cpus, task.remote(there, todo), texts(todo), RETRIES)

        yield begin, lambda: AHEAD * max(1, cpus())
