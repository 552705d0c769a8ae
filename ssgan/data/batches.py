"""A listing in pieces: what has to be read of each one is what workers get at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ssgan.data.ingest_index import Outcome
from ssgan.data.sources import Item

LONGEST_BATCH = 4096  # items, at least as many as a pool takes at once

Remembered = tuple[Item, Outcome | None]


class Batch(NamedTuple):
    """Consecutive items of a listing. ``memories``: what is known of each one; None: it has to be read."""

    items: list[Item]
    memories: list[Outcome | None]


def batches(items: Iterator[Remembered], size: int) -> Iterator[Batch]:
    """Up to ``size`` items that have to be read, with those between them that have not; bounded all the same."""
    batch, left = Batch([], []), size
    for item, memory in items:
        batch.items.append(item)
        batch.memories.append(memory)
        left -= memory is None
        if not left or len(batch.items) == LONGEST_BATCH:
            yield batch
            batch, left = Batch([], []), size
    if batch.items:
        yield batch
