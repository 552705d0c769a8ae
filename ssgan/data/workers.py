"""The parallel part of ``ingest``: files to pixels, many at a time, in the order of the listing.

Forked processes do the work where there are many local files and forking is safe: decoders release the interpreter's lock,
but the Python around them does not, and threads wait for it. Otherwise, threads do. Workers elsewhere (a cluster) are
passed in as a ``WorkerPool`` that the caller makes. The result does not depend on any of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import MIB, ImageSpec
from ssgan.data.batches import FileBatch, Recall, all_to_read
from ssgan.data.decode import DecodeLimits, Header, decode_info
from ssgan.data.pools import WorkerKind, WorkerPool, in_order, local_pool, may_fork, single_threaded_libraries
from ssgan.data.rejections import Rejected
from ssgan.data.signatures import NOTHING as NO_SIGNATURES
from ssgan.data.signatures import Signatures, signatures
from ssgan.data.sources import ImageSource, Item
from ssgan.data.sources.listing import listed
from ssgan.machine import cores

BATCH_BYTES = 2 * MIB  # of pixels that one task makes
BATCH_FILES = 256
WORTH_FORKING = 2048  # files; fewer are done before the processes have started

LOOK_AHEAD = 16  # batches that are looked through for so many that have to be read


class Prepared(NamedTuple):
    """What one task makes of its items; N of them were accepted. Lean, as it may travel between processes."""

    accepted: list[int]  # N positions of items in the batch
    headers: list[Header]  # N
    pixels: npt.NDArray[np.uint8]  # (N, C, S, S)
    signatures: Signatures  # of N images
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


NOTHING = Prepared([], [], np.empty((0, 0, 0, 0), np.uint8), NO_SIGNATURES, [], [])


IngestPool = WorkerPool[list[Item], Prepared]
RemotePool = Callable[[DecodeJob], AbstractContextManager[IngestPool]]  # makes a pool outside of this process


def prepare(job: DecodeJob, items: list[Item]) -> Prepared:
    """Read, identify and decode a few files. Raises StorageError."""
    read, spec, limits = job.source.read, job.spec, job.limits
    pixels = np.empty((len(items), *spec.shape), np.uint8)
    accepted: list[int] = []
    headers: list[Header] = []
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
            image, header = decode_info(data, spec, limits)
        except Rejected as why:
            rejected.append((position, why.reason, why.detail))
            continue
        pixels[len(accepted)] = image
        accepted.append(position)
        headers.append(header)
    pixels = pixels[: len(accepted)]
    return Prepared(accepted, headers, pixels, signatures(pixels), rejected, found)


def prepared(
    job: DecodeJob, workers: int | None = None, kind: WorkerKind = "auto", remote_pool: RemotePool | None = None
) -> Generator[tuple[list[Item], Prepared], None, None]:
    """Batches of items and what was made of them, in the order of the listing; all are read. Raises like ``prepared_new``."""
    with closing(prepared_new(job, all_to_read, workers, kind, remote_pool)) as found:
        for batch, outcome in found:
            yield batch.files.items(), outcome


def prepared_new(
    job: DecodeJob, recall: Recall, workers: int | None = None, kind: WorkerKind = "auto", remote_pool: RemotePool | None = None
) -> Generator[tuple[FileBatch, Prepared], None, None]:
    """Batches of items and what was made of those that were not recalled, in the order of the listing.

    Args:
        recall: what is known already of files of the listing; those are not read.
        workers: None: one per core, or more threads where the source asks for them.
        kind: auto: processes where they are faster and safe.
        remote_pool: workers of other machines; ``workers`` and ``kind`` are ignored then.

    Raises:
        DataError: a worker was killed.
        StorageError: the source cannot be read.
    """
    found = (FileBatch(files, recall(files)) for files in listed(job.source))
    head = _until_worth_forking(found)
    if kind == "auto":
        many = sum(len(batch.unread) for batch in head) >= WORTH_FORKING
        kind = "processes" if many and may_fork(job.source) else "threads"
    count = workers or max(cores(), job.source.threads)
    here = local_pool(partial(prepare, job), kind, count, BATCH_FILES)
    with single_threaded_libraries(), remote_pool(job) if remote_pool else here as pool:
        size = max(1, min(pool.batch_files, BATCH_BYTES // job.spec.bytes))
        todo = (part for batch in chain(head, found) for part in batch.cut(size))
        yield from in_order(WorkerPool(partial(_begin, pool), pool.ahead, size), todo)


def _until_worth_forking(found: Iterator[FileBatch]) -> list[FileBatch]:
    """The first batches, until it is known whether there are many files to read."""
    head: list[FileBatch] = []
    left = WORTH_FORKING
    for batch in islice(found, LOOK_AHEAD):
        head.append(batch)
        left -= len(batch.unread)
        if left <= 0:
            break
    return head


def _begin(pool: IngestPool, batch: FileBatch) -> Callable[[], Prepared]:
    """Starts on what has to be read of a batch."""
    unread = batch.files.items(batch.unread.tolist())
    return pool.begin(unread) if unread else lambda: NOTHING
