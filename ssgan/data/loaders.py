"""The one batch iterator, with two ways behind it: the unlabeled set as uint8 on the device when it fits
``loader.memory_budget``, else streaming by row groups. Both are deterministic, rank-partitioned and resumable.

The labeled set is always in memory. Images leave as float32 in [0, 1]. Feature vectors are always in memory; they leave as the
space that the run learns in has them (``Batches.space``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssgan.config import AugmentConfig, LoaderConfig
from ssgan.core.augment import augment
from ssgan.core.batch import Batch
from ssgan.core.distributed import global_rand, rank, world_size
from ssgan.core.seeds import fold
from ssgan.data.files import SplitFiles
from ssgan.data.sampler import Indices, Stream, part
from ssgan.data.streaming import StreamingImages

INIT_IMAGES = 500  # images of the data-dependent initialization, as in the Improved GAN code
AHEAD = 64  # steps whose indices go to the device at once


def on_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The same numbers there. A GPU is not waited for: what it works on goes on meanwhile."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Rows:
    """This rank's rows of the global batches of some streams, on the device; those of many steps are copied there at once."""

    def __init__(self, streams: Sequence[Stream], rank: int, world: int, device: torch.device) -> None:
        self._streams, self._rank, self._world, self._device = streams, rank, world, device
        self._steps = range(0)
        self._rows = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """(rows,) int64: those of the first stream, then those of the next."""
        if step not in self._steps:
            self._steps = range(step, step + AHEAD)
            self._rows = on_device(np.stack([self._of(one) for one in self._steps]), self._device)
        return self._rows[step - self._steps.start]

    def _of(self, step: int) -> Indices:
        return np.concatenate([part(stream.indices(step), self._rank, self._world) for stream in self._streams])


@dataclass(frozen=True)
class BatchRequest:
    """What a run asks of the loader; sizes are those of the global batch."""

    labeled: int
    unlabeled: int
    streams: int  # 0, 1 or 2 unlabeled streams
    second_view: bool  # the second batch of unlabeled images is the first one, augmented anew
    seed: int
    augment: AugmentConfig | None  # None: off


class Batches:
    """This rank's batches of a run.

    Attributes:
        streaming: whether unlabeled images are streamed.
        num_labeled, num_unlabeled: sizes of the sets (unlabeled: 0 where the run asks for no stream).
        seen: (num_labeled,) bool, which labeled images this rank was given so far; for the budget proof.
    """

    def __init__(self, files: SplitFiles, request: BatchRequest, loader: LoaderConfig, device: torch.device) -> None:
        self._files, self._request, self._loader, self._device = files, request, loader, device
        self._spec = files.image_spec()
        self._x = self._read("labeled")
        self._y = torch.from_numpy(files.labels("labeled")).to(device)
        self.num_labeled = len(self._y)
        self._labeled = self._rows(self.num_labeled, request.labeled, "labeled")
        self.seen = torch.zeros(self.num_labeled, dtype=torch.bool, device=device)
        self.num_unlabeled = files.num_rows("unlabeled") if request.streams else 0
        self.streaming = files.features is None and self.num_unlabeled * self._spec.bytes > loader.memory_budget
        self._pool = self._read("unlabeled") if request.streams and not self.streaming else None
        names = ("unlabeled-1", "unlabeled-2")[: request.streams]
        self._unlabeled = self._rows(self.num_unlabeled, request.unlabeled, *names)
        self._streamed = [self._stream(name, request.unlabeled, rank(), world_size()) for name in names if self.streaming]

    def _rows(self, n: int, batch: int, *names: str) -> Rows:
        """This rank's of some streams over ``n`` images."""
        return Rows([Stream(n, batch, self._request.seed, name) for name in names], rank(), world_size(), self._device)

    def _stream(self, name: str, batch: int, rank: int, world: int) -> StreamingImages:
        seed, loader = self._request.seed, self._loader
        return StreamingImages(self._files, batch, seed, name, rank, world, loader.shuffle_row_groups, loader.prefetch_windows)

    def _read(self, name: str, space: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """A set on the device: (N, C, S, S) uint8 images; or (N, V, P) features, once there is a space, and nothing before."""
        if self._files.features is None:
            return torch.from_numpy(self._files.inputs(name)).to(self._device)
        if space is None:
            return torch.zeros((0, 1, 1), device=self._device)
        raw = torch.from_numpy(self._files.inputs(name))
        views = raw.shape[1]
        parts = [space(part.flatten(0, 1).to(self._device)) for part in torch.split(raw, 4096)]
        return torch.cat([part.view(-1, views, part.shape[1]) for part in parts])

    def enter(self, space: Callable[[Tensor], Tensor]) -> None:
        """Read the features anew and bring them into a space, (N, D) -> (N, P)."""
        with torch.no_grad():
            self._x = self._read("labeled", space)
            self._pool = self._read("unlabeled", space) if self._request.streams else None

    def everything(self) -> tuple[Tensor, Tensor, Tensor]:
        """All labeled feature vectors (L, P), their classes (L,), and all unlabeled ones (U, P), plain views."""
        unlabeled = self._x[:0, 0] if self._pool is None else self._pool[:, 0]
        return self._x[:, 0], self._y, unlabeled

    def init_batch(self) -> Batch:
        """Up to 500 unlabeled images and all labeled ones (up to 500), the same on every rank."""
        rows = self._first(self.num_labeled, "init-labeled")
        x_u = self._empty()
        if self.streaming:
            x_u = on_device(self._stream("init", min(INIT_IMAGES, self.num_unlabeled), 0, 1).read(0), self._device)
        elif self._pool is not None:
            x_u = self._pool.index_select(0, self._first(self.num_unlabeled, "init"))
        seed = fold(self._request.seed, "init")
        x_l, x_u, x_u2 = (_float(x) for x in (self._x[rows], x_u, self._empty()))
        return Batch(x_l, self._y[rows], x_u, x_u2, -1, seed)

    def _first(self, n: int, name: str) -> Tensor:
        """The first batch, of up to 500, of a stream over ``n`` images."""
        return on_device(Stream(n, min(INIT_IMAGES, n), self._request.seed, name).indices(0), self._device)

    def iterate(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of steps ``start`` to ``stop`` - 1."""
        for step in range(start, stop):
            yield self._batch(step)

    def _batch(self, step: int) -> Batch:
        seed = fold(self._request.seed, "step", step)
        rows = self._labeled.at(step)
        self.seen.index_fill_(0, rows, True)
        x_u = self._read_unlabeled(step)
        if self._request.second_view:
            x_u *= 2
        x_u += [self._empty()] * 2
        read = (self._x.index_select(0, rows), x_u[0], x_u[1])
        if self._request.augment is None:
            x_l, x_u1, x_u2 = map(_float, read)
        elif self._files.features:
            x_l, x_u1, x_u2 = (_any_view(x, fold(seed, i)) for i, x in enumerate(read))
        else:
            x_l, x_u1, x_u2 = (augment(_float(x), self._request.augment, fold(seed, i)) for i, x in enumerate(read))
        return Batch(x_l, self._y[rows], x_u1, x_u2, step, seed)

    def _read_unlabeled(self, step: int) -> list[Tensor]:
        """This rank's batch of every stream, in one read where they lie on the device."""
        if self._pool is None:
            return [on_device(images.read(step), self._device) for images in self._streamed]
        return list(self._pool.index_select(0, self._unlabeled.at(step)).chunk(self._request.streams))

    def _empty(self) -> Tensor:
        return self._x[:0]


def _float(x: Tensor) -> Tensor:
    """(N, C, S, S) uint8 -> float32 in [0, 1]; (N, V, P) -> (N, P), the plain view."""
    return x * (1.0 / 255.0) if x.dtype == torch.uint8 else x[:, 0]


def _any_view(x: Tensor, seed: int) -> Tensor:
    """(N, V, P) -> (N, P), of each image any view."""
    number = (x.shape[1] * global_rand(x.shape[0], 1, fold(seed, "view"), x.device)).long()
    return x.gather(1, number.unsqueeze(2).expand(-1, 1, x.shape[2])).squeeze(1)
