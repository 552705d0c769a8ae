"""From original files to feature vectors: what a worker does, and the workers of this machine.

A worker reads, checks and decodes a few files and runs the network on them, on one thread. There is one for each core: on a CPU
the network is faster so than with threads within it, and the network of one hides what the others wait for. On a GPU, workers
are threads that take turns with the network.

Letters: N images, V views, D dimension, S side that the network wants.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ssgan.backbones import Backbone, Network
from ssgan.data.decode import DecodeLimits, decode
from ssgan.data.pools import WorkerKind, WorkerPool, local_pool, may_fork, single_threaded_libraries
from ssgan.data.rejections import Rejected
from ssgan.data.sources import ImageSource
from ssgan.features.originals import Original, changed
from ssgan.features.views import view
from ssgan.machine import cores

Pixels = npt.NDArray[np.uint8]
TOLERANCE = (1e-3, 1e-4)  # relative, absolute, of two features of an image and backbone: a unit of float16
BATCH = {"cpu": 4, "cuda": 64}  # views in a forward pass; on a CPU, what its caches hold


class FeatureJob(NamedTuple):
    """What is the same for all images."""

    source: ImageSource
    backbone: Backbone
    views: int
    limits: DecodeLimits
    batch: int | None = None  # views in a forward pass; None: what suits the device

    def images(self, device: str) -> int:
        """In a forward pass."""
        return max(1, (self.batch or BATCH[device]) // self.views)


FeatureWorkers = WorkerPool[list[Original], Pixels]
FeaturePool = Callable[[FeatureJob], AbstractContextManager[FeatureWorkers]]


@dataclass(frozen=True)
class Worker:
    """The network, and how many may use it at once: a thread waits here for its turn."""

    job: FeatureJob
    network: Network
    turns: threading.Semaphore

    def __call__(self, originals: list[Original]) -> Pixels:
        """(N, V * D * 2) bytes of float16. Raises DataError, StorageError."""
        pixels = decoded(self.job, originals)
        with self.turns:
            return features(self.network, pixels).reshape(len(originals), -1).view(np.uint8)


def decoded(job: FeatureJob, originals: list[Original]) -> Pixels:
    """(N * V, 3, S, S) views of the files. Raises DataError, StorageError."""
    size, spec = job.backbone.size, job.backbone.image
    out = np.empty((len(originals), job.views, 3, size, size), np.uint8)
    for i, (_, digest, item) in enumerate(originals):
        try:
            data = job.source.read(item, job.limits.max_file_bytes)
            if hashlib.sha256(data).digest() != digest:
                raise changed(f"{item.path!r} has changed")
            image = decode(data, spec, job.limits)
        except Rejected as why:
            raise changed(f"{item.path!r} cannot be read ({why.detail})") from None
        for number in range(job.views):
            out[i, number] = view(image, digest, number, size)
    return out.reshape(-1, 3, size, size)


@torch.inference_mode()
def features(network: Network, pixels: Pixels) -> npt.NDArray[np.float16]:
    """(N, 3, S, S) -> (N, D)."""
    out: npt.NDArray[np.float16] = network(torch.from_numpy(pixels).to(network.mean.device)).half().cpu().numpy()
    return out


def device_of(wanted: str) -> str:
    """Where the network runs: on the GPU of this machine, if there is one and ``wanted`` (`train.device`) is not cpu."""
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def here(
    load: Callable[[], Network], device: str = "cpu", kind: WorkerKind = "auto", workers: int | None = None
) -> FeaturePool:
    """Workers of this machine.

    Args:
        load: makes the network; called once, where there is something to compute.
        kind: auto: processes on a CPU where forking is safe.
        workers: None: one per core, or more threads where the source asks for them.
    """
    return lambda job: _here(job, load, device, kind, workers)


@contextmanager
def _here(
    job: FeatureJob, load: Callable[[], Network], device: str, kind: WorkerKind, workers: int | None
) -> Iterator[FeatureWorkers]:
    # onnxruntime has threads of its own, which a fork would lose
    shared = device == "cuda" or job.backbone.provider == "onnx"
    if kind == "auto":
        kind = "processes" if may_fork(job.source) and not shared else "threads"
    with single_threaded_libraries(), one_thread():
        worker = Worker(job, load().to(device), threading.Semaphore(1 if shared else cores()))
        count = workers or max(cores(), job.source.threads)
        with local_pool(worker, kind, count, job.images(device)) as pool:
            yield pool


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch uses one thread in each worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
