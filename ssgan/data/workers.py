"""The parallel part of ``ingest``: files to pixels, many at a time, in the order of the listing.

Forked processes do the work where there are many local files and forking is safe: decoders release the interpreter's lock,
but the Python around them does not, and threads wait for it. Otherwise, threads do. Workers elsewhere (a cluster) are
passed in as a ``WorkerPool`` that the caller makes. The result does not depend on any of it.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Container, Generator, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import chain, islice
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ssgan.config import MIB, ImageSpec
from ssgan.data.batches import FileBatch, Recall, all_to_read, batches
from ssgan.data.decode import DecodeLimits, decode_info
from ssgan.data.phash import phash
from ssgan.data.rejections import Rejected
from ssgan.data.sources import ImageSource, Item
from ssgan.errors import DataError
from ssgan.machine import cores

BATCH_BYTES = 2 * MIB  # of pixels that one task makes
BATCH_FILES = 256
WORTH_FORKING = 2048  # files; fewer are done before the processes have started

LOOK_AHEAD = 16  # batches that are looked through for so many that have to be read

WorkerKind = Literal["auto", "threads", "processes"]


class Prepared(NamedTuple):
    """What one task makes of its items; N of them were accepted. Lean, as it may travel between processes."""

    accepted: list[int]  # N positions of items in the batch
    headers: list[tuple[int, int, str]]  # N heights, widths and modes of the raw files
    pixels: npt.NDArray[np.uint8]  # (N, C, S, S)
    hashes: npt.NDArray[np.uint64]  # (N,)
    rejected: list[tuple[int, str, str]]  # position of the item, reason, detail
    read: list[tuple[bytes, int] | None]  # sha256 and size of every item; None: it was not read

    @property
    def digests(self) -> list[bytes]:
        """(N,) sha256 of the files that were accepted."""
        return [found[0] for position in self.accepted if (found := self.read[position])]


class DecodeJob(NamedTuple):
    """What is the same for all items."""

    source: ImageSource
    spec: ImageSpec
    limits: DecodeLimits
    known: Container[bytes] = ()  # sha256 of files that are read, but not decoded


NOTHING = Prepared([], [], np.empty((0, 0, 0, 0), np.uint8), np.empty(0, np.uint64), [], [])


class WorkerPool(NamedTuple):
    """Workers, wherever they are."""

    begin: Callable[[list[Item]], Callable[[], Prepared]]  # starts on a batch; what it returns waits for the outcome
    ahead: Callable[[], int]  # batches in flight, at most: what bounds memory
    batch_files: int  # of one batch, at most


RemotePool = Callable[[DecodeJob], AbstractContextManager[WorkerPool]]  # makes a pool outside of this process


def prepare(job: DecodeJob, items: list[Item]) -> Prepared:
    """Read, identify and decode a few files. Raises StorageError."""
    read, spec, limits = job.source.read, job.spec, job.limits
    pixels = np.empty((len(items), *spec.shape), np.uint8)
    accepted: list[int] = []
    headers: list[tuple[int, int, str]] = []
    rejected: list[tuple[int, str, str]] = []
    found: list[tuple[bytes, int] | None] = [None] * len(items)
    for position, item in enumerate(items):
        try:
            if item.problem:
                raise Rejected(*item.problem)
            if item.size is not None and item.size > limits.max_file_bytes:
                raise Rejected("too_large_file", f"{item.size} bytes; data.max_file_bytes is {limits.max_file_bytes}")
            data = read(item, limits.max_file_bytes)
            digest = hashlib.sha256(data).digest()
            found[position] = digest, len(data)
            if digest in job.known:
                continue
            image, height, width, mode = decode_info(data, spec, limits)
        except Rejected as why:
            rejected.append((position, why.reason, why.detail))
            continue
        pixels[len(accepted)] = image
        accepted.append(position)
        headers.append((height, width, mode))
    pixels = pixels[: len(accepted)]
    return Prepared(accepted, headers, pixels, phash(pixels), rejected, found)


def prepared(
    job: DecodeJob, workers: int | None = None, kind: WorkerKind = "auto", remote_pool: RemotePool | None = None
) -> Generator[tuple[list[Item], Prepared], None, None]:
    """Batches of items and what was made of them, in the order of the listing; all are read. Raises like ``prepared_new``."""
    with closing(prepared_new(job, all_to_read, workers, kind, remote_pool)) as found:
        for batch, outcome in found:
            yield batch.items, outcome


def prepared_new(
    job: DecodeJob, recall: Recall, workers: int | None = None, kind: WorkerKind = "auto", remote_pool: RemotePool | None = None
) -> Generator[tuple[FileBatch, Prepared], None, None]:
    """Batches of items and what was made of those that were not recalled, in the order of the listing.

    Args:
        recall: what is known already of items of the listing; those are not read.
        workers: None: one per core, or more threads where the source asks for them.
        kind: auto: processes where they are faster and safe.
        remote_pool: workers of other machines; ``workers`` and ``kind`` are ignored then.

    Raises:
        DataError: a worker was killed.
        StorageError: the source cannot be read.
    """
    listed = batches(job.source.items(), recall)
    head = _until_worth_forking(listed)
    if kind == "auto":
        many = sum(len(batch.unread) for batch in head) >= WORTH_FORKING
        kind = "processes" if many and _may_fork(job.source) else "threads"
    count = workers or max(cores(), job.source.threads)
    with single_threaded_libraries(), remote_pool(job) if remote_pool else _pool(job, kind, count) as pool:
        size = max(1, min(pool.batch_files, BATCH_BYTES // job.spec.bytes))
        yield from _in_order(pool, (part for batch in chain(head, listed) for part in batch.cut(size)))


def _until_worth_forking(listed: Iterator[FileBatch]) -> list[FileBatch]:
    """The first batches, until it is known whether there are many files to read."""
    head: list[FileBatch] = []
    left = WORTH_FORKING
    for batch in islice(listed, LOOK_AHEAD):
        head.append(batch)
        left -= len(batch.unread)
        if left <= 0:
            break
    return head


def _in_order(pool: WorkerPool, todo: Iterator[FileBatch]) -> Iterator[tuple[FileBatch, Prepared]]:
    pending: deque[tuple[FileBatch, Callable[[], Prepared]]] = deque()
    while True:
        while len(pending) < pool.ahead() and (batch := next(todo, None)):
            unread = [batch.items[i] for i in batch.unread.tolist()]
            pending.append((batch, pool.begin(unread) if unread else lambda: NOTHING))
        if not pending:
            return
        batch, outcome = pending.popleft()
        yield batch, outcome()


# --- pools -----------------------------------------------------------------------------------------------------------

_job: DecodeJob | None = None  # of this process, where it is a forked worker


def _may_fork(source: ImageSource) -> bool:
    """A fork copies one thread only: locks that others hold stay locked. Clients of networks do not survive it either."""
    return sys.platform == "linux" and threading.active_count() == 1 and source.threads == 0 and cores() > 1


@contextmanager
def _pool(job: DecodeJob, kind: WorkerKind, workers: int) -> Iterator[WorkerPool]:
    executor: Executor
    task: Callable[[list[Item]], Prepared]
    if kind == "processes":
        fork = multiprocessing.get_context("fork")
        executor, task = ProcessPoolExecutor(workers, fork, initializer=_begin, initargs=(job,)), _task
    else:
        executor, task = ThreadPoolExecutor(workers, thread_name_prefix="ingest"), lambda items: prepare(job, items)
    try:
        yield WorkerPool(lambda items: executor.submit(task, items).result, lambda: 4 * workers, BATCH_FILES)
    except BrokenProcessPool:
        raise DataError(
            "a process that decoded images was killed, probably because memory ran out; lower data.max_pixels or close other "
            "programs, and run again"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(job: DecodeJob) -> None:
    global _job
    _job = job
    gc.freeze()  # what the parent holds is no garbage; looking through it would copy its pages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the pool
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by this one, which the parent may have given a meaning of its own


def _task(items: list[Item]) -> Prepared:
    assert _job is not None
    return prepare(_job, items)


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
