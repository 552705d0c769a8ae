"""Workers for lists of files: forked processes, threads, or others that the caller makes; outcomes in order of the tasks."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ssgan.cluster.tasks import AHEAD
from ssgan.data.opencv import cv2
from ssgan.data.sources import ImageSource
from ssgan.errors import DataError
from ssgan.machine import cores

T = TypeVar("T")
R = TypeVar("R")

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux, where alone processes are forked

WorkerKind = Literal["auto", "threads", "processes"]


class WorkerPool(NamedTuple, Generic[T, R]):
    """Workers, wherever they are."""

    begin: Callable[[T], Callable[[], R]]  # starts on a task; what it returns waits for the outcome
    ahead: Callable[[], int]  # tasks in flight, at most: what bounds memory
    batch_files: int  # of one task, at most


def in_order(pool: WorkerPool[T, R], todo: Iterator[T]) -> Iterator[tuple[T, R]]:
    """Tasks and their outcomes, in the order of the tasks."""
    pending: deque[tuple[T, Callable[[], R]]] = deque()
    while True:
        while len(pending) < pool.ahead() and (task := next(todo, None)) is not None:
            pending.append((task, pool.begin(task)))
        if not pending:
            return
        task, outcome = pending.popleft()
        yield task, outcome()


def may_fork(source: ImageSource) -> bool:
    """A fork copies one thread only: locks that others hold stay locked. Clients of networks do not survive it either."""
    return sys.platform == "linux" and threading.active_count() == 1 and source.threads == 0 and cores() > 1


@contextmanager
def local_pool(
    work: Callable[[T], R], kind: Literal["threads", "processes"], workers: int, batch_files: int
) -> Iterator[WorkerPool[T, R]]:
    """Workers of this machine that do ``work``; forked processes have it by the fork. Using them raises DataError where one
    was killed."""
    executor: Executor
    task: Callable[[T], R]
    if kind == "processes":
        fork = multiprocessing.get_context("fork")
        executor, task = ProcessPoolExecutor(workers, fork, initializer=_begin, initargs=(work,)), _task
    else:
        executor, task = ThreadPoolExecutor(workers, thread_name_prefix="ssgan"), work
    try:
        yield WorkerPool(lambda todo: executor.submit(task, todo).result, lambda: AHEAD * workers, batch_files)
    except BrokenProcessPool:
        raise DataError(
            "a process that decoded images was killed, probably because memory ran out; lower data.max_pixels or close other "
            "programs, and run again"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


_work: Callable[[Any], Any] | None = None  # of this process, where it is a forked worker


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    gc.freeze()  # what the parent holds is no garbage; looking through it would copy its pages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the pool
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by this one, which the parent may have given a meaning of its own
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)  # a parent that is killed cannot end the pool


def _task(todo: Any) -> Any:
    assert _work is not None
    return _work(todo)


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """The parallelism is over files: threads that libraries start on top make everything several times slower."""
    before = cv2.getNumThreads()
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a file stands in rejected.parquet
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            cv2.setNumThreads(before)
