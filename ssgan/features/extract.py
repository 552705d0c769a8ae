"""The stage ``features``: images that this backbone has never seen -> shards beside those of the images.

    image shards -> rows without features -> [threads: read, check, decode, augment] -> network -> part file -> shard

Features depend on an image's bytes, the backbone and the number of views alone, so that whatever is there stays: a shard whose
images are all known is not written, and one that has lost or gained rows takes over what it had. New rows go to a part file at
once; a stage that was killed goes on from there.

Letters: N images, V views, D dimension.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch

from ssgan.backbones import Network
from ssgan.data import schema
from ssgan.data.decode import DecodeLimits, decode
from ssgan.data.digests import NONE, from_hex
from ssgan.data.rejections import Rejected
from ssgan.data.sources import ImageSource, Item, text
from ssgan.data.workers import single_threaded_libraries
from ssgan.errors import DataError
from ssgan.features.files import layout, write_shard
from ssgan.features.known import Earlier, Part
from ssgan.features.views import view

Pixels = npt.NDArray[np.uint8]
AHEAD = 4  # batches that are decoded ahead of the network


class FeatureJob(NamedTuple):
    """What is the same for all images."""

    source: ImageSource
    network: Network
    views: int
    limits: DecodeLimits
    batch: int  # images per forward pass
    threads: int  # that read and decode


class FeatureSummary(NamedTuple):
    """What a run of the stage did."""

    images: int
    computed: int
    shards: int
    kept: int  # shards that stayed as they were
    seconds: float


class Unread(NamedTuple):
    """An image that has no features yet: its row in the shard, its id, and its original file."""

    row: int
    digest: bytes
    item: Item


def extract(job: FeatureJob, images: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> FeatureSummary:
    """Give every image of ``images`` its features in the folder ``out``.

    Args:
        progress: called with the numbers of images done and to do, after every batch.

    Raises:
        DataError: an original is gone, has changed, or cannot be decoded; says what to run. What was computed stays.
        StorageError: the source cannot be read.
    """
    begun = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    backbone = job.network.backbone
    shape = layout(backbone, job.views)
    width = shape.field("features").type.byte_width
    earlier = Earlier(out, shape)
    shards = {path.name: from_hex(pq.read_table(path, columns=["id"])["id"]) for path in schema.shards(images)}
    changed = [name for name, ids in shards.items() if not earlier.has(name, ids)]
    parts: dict[str, Part] = {}
    for name in changed:
        parts[name] = part = Part(out, name, shards[name], width)
        rows = earlier.rows(shards[name])
        earlier.copy(rows, part.features)
        part.done[rows != NONE] = 1
    unread = _unread(job.source, images, parts)
    total, done = sum(map(len, unread.values())), 0
    for name, part in parts.items():
        for rows, features in _computed(job, unread[name]):
            part.put(rows, features)
            done += len(rows)
            if progress:
                progress(done, total)
        write_shard(out / name, shape, part.table(shape))
        part.remove()
    for path in out.iterdir():  # of shards that are no more
        if path.name not in shards:
            path.unlink()
    return FeatureSummary(sum(map(len, shards.values())), total, len(shards), len(shards) - len(changed), _since(begun))


def _since(begun: float) -> float:
    return time.perf_counter() - begun


def _unread(source: ImageSource, images: Path, parts: dict[str, Part]) -> dict[str, list[Unread]]:
    """For each shard the images to be read, in the order of their files. Raises DataError where a file is no more."""
    wanted: dict[str, tuple[str, int]] = {}
    for name, part in parts.items():
        paths = pq.read_table(images / name, columns=["path"])["path"]
        wanted |= {paths[row].as_py(): (name, row) for row in np.flatnonzero(part.done == 0).tolist()}
    found: dict[str, list[Unread]] = {name: [] for name in parts}
    if not wanted:
        return found
    for item in source.items():
        place = wanted.pop(text(item.path), None)
        if place:
            name, row = place
            found[name].append(Unread(row, parts[name].ids[row].tobytes(), item))
    if wanted:
        raise _changed(f"{len(wanted)} originals are gone, such as {next(iter(wanted))!r}")
    return found


def _changed(what: str) -> DataError:
    return DataError(f"{what}, since data/images was made; run `dvc repro ingest`, or bring them back")


def _computed(job: FeatureJob, unread: Sequence[Unread]) -> Iterator[tuple[npt.NDArray[np.int64], Pixels]]:
    """Rows (n,) and features (n, W) of one batch after the other; files are read and decoded ahead of the network."""
    ahead: deque[Future[tuple[list[int], Pixels]]] = deque()
    remaining, size = iter(unread), max(1, job.batch // job.views)
    with single_threaded_libraries(), ThreadPoolExecutor(job.threads, thread_name_prefix="features") as pool:
        try:
            while True:
                while len(ahead) < AHEAD and (batch := list(islice(remaining, size))):
                    ahead.append(pool.submit(_decoded, job, batch))
                if not ahead:
                    return
                rows, pixels = ahead.popleft().result()
                yield np.array(rows), _features(job, pixels)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _decoded(job: FeatureJob, batch: Sequence[Unread]) -> tuple[list[int], Pixels]:
    """Rows, and (n * V, 3, S, S) views of their originals."""
    size, spec = job.network.backbone.size, job.network.backbone.image
    out = np.empty((len(batch), job.views, 3, size, size), np.uint8)
    for i, (_, digest, item) in enumerate(batch):
        try:
            data = job.source.read(item, job.limits.max_file_bytes)
            if hashlib.sha256(data).digest() != digest:
                raise _changed(f"{item.path!r} has changed")
            image = decode(data, spec, job.limits)
        except Rejected as why:
            raise _changed(f"{item.path!r} cannot be read ({why.detail})") from None
        for number in range(job.views):
            out[i, number] = view(image, digest, number, size)
    return [one.row for one in batch], out.reshape(-1, 3, size, size)


@torch.inference_mode()
def _features(job: FeatureJob, pixels: Pixels) -> Pixels:
    """(n * V, 3, S, S) -> (n, V * D * 2) bytes of float16."""
    device = job.network.mean.device
    features = job.network(torch.from_numpy(pixels).to(device)).half().cpu().numpy()
    return features.reshape(len(pixels) // job.views, -1).view(np.uint8)
