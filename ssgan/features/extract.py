"""The stage ``features``: images that this backbone has never seen -> shards beside those of the images.

    image shards -> rows without features -> [workers: read, check, decode, augment, network] -> part file -> shard

Features depend on an image's bytes, the backbone and the number of views alone, so that whatever is there stays: a shard whose
images are all known is not written, and one that has lost or gained rows takes over what it had. New rows go to a part file at
once; a stage that was killed goes on from there.

Memory is some 150 bytes for each image, besides what the workers need.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data import schema
from ssgan.data.digests import NONE, Digests
from ssgan.data.pools import in_order
from ssgan.features.compute import FeatureJob, FeaturePool
from ssgan.features.files import layout, write_shard
from ssgan.features.known import Earlier
from ssgan.features.originals import Originals
from ssgan.features.parts import Parts
from ssgan.wording import counted

Progress = Callable[[int, int], None]


class FeatureSummary(NamedTuple):
    """What a run of the stage did."""

    images: int
    computed: int
    shards: int
    kept: int  # shards that stayed as they were
    seconds: float

    def describe(self) -> str:
        """For people."""
        speed = f", {self.computed / self.seconds:,.0f} images/s" if self.computed else ""
        kept = f"{self.kept} of {counted(self.shards, 'shard')} unchanged"
        return f"of {counted(self.images, 'image')}; {self.computed:,} new{speed}; {kept}"


def extract(job: FeatureJob, index: Path, out: Path, pool: FeaturePool, progress: Progress | None = None) -> FeatureSummary:
    """Give every image of ``index`` its features in the folder ``out``.

    Args:
        pool: makes the workers, where there is something to compute.
        progress: called with the numbers of images done and to do, after every batch.

    Raises:
        DataError: an original is gone, has changed, or cannot be decoded; says what to run. What was computed stays.
        StorageError: the source cannot be read.
    """
    begun = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    shape = layout(job.backbone, job.views)
    shards = {path.name: schema.fixed(pq.read_table(path, columns=["id"])["id"]) for path in schema.shards(index)}
    parts = _begun(out, shape, shards)
    changed = len(parts.named)
    originals = Originals(index, parts)
    originals.require_all(job.source)
    _finish(out, shape, parts, list(parts.named))
    done = 0
    with closing(_computed(job, originals, pool)) as computed:
        for numbers, features in computed:
            _finish(out, shape, parts, parts.put(numbers, features))
            done += len(numbers)
            if progress:
                progress(done, originals.total)
    for path in out.iterdir():  # of shards that are no more
        if path.name not in shards:
            path.unlink()
    seconds = time.perf_counter() - begun
    return FeatureSummary(sum(map(len, shards.values())), originals.total, len(shards), len(shards) - changed, seconds)


def _begun(out: Path, shape: pa.Schema, shards: dict[str, Digests]) -> Parts:
    """The shards that have to be made, with all that is known already."""
    earlier = Earlier(out, shape)
    changed = {name: ids for name, ids in shards.items() if not earlier.has(name, ids)}
    parts = Parts(out, changed, shape.field("features").type.byte_width)
    for part in parts.named.values():
        rows = earlier.rows(part.ids)
        earlier.copy(rows, part.features)
        part.done[rows != NONE] = 1
    return parts


def _finish(out: Path, shape: pa.Schema, parts: Parts, names: list[str]) -> None:
    """Write those of the shards that are whole."""
    for name in names:
        part = parts.named[name]
        if part.done.all():
            write_shard(out / name, shape, part.table(shape))
            part.remove()


def _computed(
    job: FeatureJob, originals: Originals, pool: FeaturePool
) -> Generator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]], None, None]:
    """Numbers (n,) and features (n, W) of one batch after the other."""
    if not originals.total:
        return
    with pool(job) as workers:
        listed = originals.listed(job.source)
        todo = iter(lambda: list(islice(listed, workers.batch_files)), [])
        for batch, features in in_order(workers, todo):
            yield np.array([original.number for original in batch]), features
