"""Unlabeled images that do not fit into memory: read by row groups of the store, shuffled in two levels, prefetched.

An epoch is an order of the row groups that have unlabeled images; consecutive row groups form windows, and the rows of a window
are permuted. A shard may hold one class only, as its files came in the order of a listing, while within a shard, images lie in
the order of their ids, which mixes them. So the order of an epoch is not just any: the row groups of each shard are shuffled,
and spread evenly over the epoch, those of neighboring shards far apart (multiples of the golden ratio cover a circle evenly).
Every window then takes its share of every shard, and its batches are as mixed as those of a full shuffle.

In this order of rows, rank r of W takes one contiguous part, so that the ranks partition the epoch and each reads only its
own windows (and shares at most the two at its borders). Every rank makes floor(n / batch) batches an epoch; the rest of the
rows is left out of that epoch. All of it is a function of seed, epoch and position: resuming is seeking.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.core.seeds import fold
from ssgan.data.files import SplitFiles
from ssgan.data.schema import pixels_to_numpy
from ssgan.data.store import I64, GroupRows
from ssgan.errors import ConfigError
from ssgan.wording import counted

Pixels = npt.NDArray[np.uint8]

READERS = 4  # S3 answers after a while, however little is asked for
GOLDEN = (5**0.5 - 1) / 2


class Window(NamedTuple):
    """Row groups that are shuffled together, and the rows [low, high) of their permutation that this rank takes."""

    groups: list[GroupRows]
    number: int
    low: int
    high: int


class StreamingImages:
    """Global batches of unlabeled images, this rank's part: ``read(step)`` -> (batch / world, C, S, S) uint8.

    Args:
        files: the data set; the set ``unlabeled`` is read.
        batch: global batch size, divisible by ``world``.
        seed, name: two streams with different names are independent.
        rank, world: this rank and the number of ranks.
        groups_per_window: row groups mixed by the second level of the shuffle.
        prefetch: windows read ahead by a thread.
    """

    def __init__(
        self,
        files: SplitFiles,
        batch: int,
        seed: int,
        name: str,
        rank: int,
        world: int,
        groups_per_window: int,
        prefetch: int,
    ) -> None:
        self._store, self._key = files.store, (seed, name)
        self._groups = self._store.groups(files.rows("unlabeled"))
        self._shards = np.array([self._store.shard_of(one.group) for one in self._groups], np.int64)
        rows = sum(len(one.rows) for one in self._groups)
        if rows < batch:
            raise ConfigError(
                f"the unlabeled set has {counted(rows, 'image')}, fewer than the batch of {batch}; raise "
                "loader.memory_budget (small sets are read into memory) or lower method.options.batch_size"
            )
        self._part = batch // world
        self._steps_per_epoch = rows // batch
        self._first_row = rank * self._steps_per_epoch * self._part
        self._groups_per_window, self._prefetch = groups_per_window, prefetch
        # Never shut down: it ends by itself once nothing refers to it. Waiting for it in a finalizer can deadlock, because
        # garbage may be collected in any thread at any point, even while that thread starts.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ssgan-prefetch")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ssgan-read")  # of row groups, at once
        self._next_step = -1
        self._rows: Iterator[Pixels] = iter(())
        self._buffer: list[Pixels] = []

    def read(self, step: int) -> Pixels:
        """This rank's rows of one step. Reading steps in order is fast; any other step seeks."""
        if step != self._next_step or step % self._steps_per_epoch == 0:
            self._seek(step)
        self._next_step = step + 1
        have = sum(len(b) for b in self._buffer)
        while have < self._part:
            self._buffer.append(next(self._rows))
            have += len(self._buffer[-1])
        rows = np.concatenate(self._buffer) if len(self._buffer) > 1 else self._buffer[0]
        self._buffer = [rows[self._part :]]
        return rows[: self._part]

    def _seek(self, step: int) -> None:
        epoch, position = divmod(step, self._steps_per_epoch)
        low = self._first_row + position * self._part
        high = self._first_row + self._steps_per_epoch * self._part
        self._rows = self._read_ahead(epoch, self._windows(epoch, low, high))
        self._buffer = []

    def _windows(self, epoch: int, low: int, high: int) -> Iterator[Window]:
        """The windows of an epoch that overlap rows [low, high), in order."""
        order = spread(self._shards, np.random.Generator(np.random.PCG64(fold(*self._key, epoch))))
        start = 0
        for number, chosen in enumerate(_batched(order.tolist(), self._groups_per_window)):
            groups = [self._groups[i] for i in chosen]
            stop = start + sum(len(one.rows) for one in groups)
            if start < high and stop > low:
                yield Window(groups, number, max(low - start, 0), min(high, stop) - start)
            start = stop

    def _read_ahead(self, epoch: int, windows: Iterator[Window]) -> Iterator[Pixels]:
        """Read windows in a thread, ``prefetch`` of them ahead of the consumer."""
        pending: list[Future[Pixels]] = []
        for window in windows:
            pending.append(self._reader.submit(self._read_window, epoch, window))
            if len(pending) > self._prefetch:
                yield pending.pop(0).result()
        for future in pending:
            yield future.result()

    def _read_window(self, epoch: int, window: Window) -> Pixels:
        order = np.random.Generator(np.random.PCG64(fold(*self._key, epoch, "window", window.number)))
        chosen = order.permutation(sum(len(one.rows) for one in window.groups))[window.low : window.high]
        return np.concatenate(list(self._readers.map(self._read_group, window.groups)))[chosen]

    def _read_group(self, group: GroupRows) -> Pixels:
        table = self._store.read([group.group], ["pixels"])
        return pixels_to_numpy(table["pixels"], self._store.spec)[group.rows]


def spread(shards: I64, random: np.random.Generator) -> I64:
    """(G,) an order of row groups, so that every stretch of it takes its share of every shard.

    Args:
        shards: (G,) the number of the shard of each, ascending.
    """
    offset, key = random.random(), np.empty(len(shards))
    for number in np.unique(shards).tolist():
        own = np.flatnonzero(shards == number)
        key[own] = (random.permutation(len(own)) + (offset + number * GOLDEN) % 1.0) / len(own)
    return np.argsort(key, kind="stable")


def _batched(items: list[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
