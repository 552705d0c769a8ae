"""The unlabeled pool in one stream. Memory grows with the budget, not with the pool: of every block, only what may still be
chosen stays.

The pool is ``data/splits/unlabeled`` without the images that have a label already. Images of val and test, and those that are
reserved for them until their label comes, are in no unlabeled set (``ssgan.data.splits``): a model never chooses among these.

Letters: N images of a block, K classes, F features, C, S, S of one image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ssgan.data.files import SplitFiles
from ssgan.selection.scoring import F32, I64, Floats, entropy, probabilities, top_two, uncertainty, unit

U8 = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.str_]


class Outputs(Protocol):
    """The outputs of a model for N images (``ssgan.model.ModelOutputs``)."""

    @property
    def logits(self) -> F32: ...
    @property
    def features(self) -> F32: ...


PredictOutputs = Callable[[Sequence[str], U8], Outputs]  # of images by their ids (N,) and stored pixels (N, C, S, S)


@dataclass(frozen=True)
class ScoredImages:
    """N images with their scores by the model.

    ids: (N,) sha256. pixels: (N, C, S, S). features: (N, F) of unit length. top: (N, 2) most probable classes, and
    probability (N, 2) theirs. uncertainty: (N,). unknown: (N,) the larger, the less it looks like a known class.
    """

    ids: Ids
    pixels: U8
    features: F32
    top: I64
    probability: Floats
    uncertainty: Floats
    unknown: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[Any]) -> ScoredImages:
        """The images of some rows (indices or a mask)."""
        return ScoredImages(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def join(blocks: list[ScoredImages]) -> ScoredImages:
        """All images of one or more blocks."""
        return ScoredImages(
            *(np.concatenate([getattr(block, field.name) for block in blocks]) for field in fields(ScoredImages))
        )


def score_images(ids: Ids, pixels: U8, predict: PredictOutputs, temperature: float) -> ScoredImages:
    """Score N > 0 images."""
    outputs = predict(ids.tolist(), pixels)
    p = probabilities(outputs.logits, temperature)
    top = top_two(p)
    return ScoredImages(ids, pixels, unit(outputs.features), top, np.take_along_axis(p, top, 1), uncertainty(p), entropy(p))


def stream(files: SplitFiles, name: str, without: Collection[str] = ()) -> Iterator[tuple[Ids, U8]]:
    """Ids (N,) and pixels (N, C, S, S) of one block of a set after the other, N > 0."""
    for ids, pixels in files.blocks(name):
        rows = np.array([row for row, image in enumerate(ids) if image not in without], np.int64)
        if len(rows):
            yield np.array(ids)[rows], pixels[rows]


@dataclass(frozen=True)
class PoolSummary:
    """The pool by its ids alone. control: those drawn at random. sha256: of all ids, in order."""

    size: int
    sha256: str
    control: frozenset[str]


def summarize_pool(files: SplitFiles, without: Collection[str], control: int, seed: int) -> PoolSummary:
    """Count the pool and draw ``control`` images from it, uniformly and before any model has seen one.

    Each image draws a number, the hash of the seed and its id, and the lowest numbers win: no order of rows matters, and a
    pool that grew keeps most of its draw.
    """
    size, digest = 0, hashlib.sha256()
    lowest: list[tuple[bytes, str]] = []
    for block in files.id_blocks("unlabeled"):
        ids = [image for image in block if image not in without]
        size += len(ids)
        digest.update("".join(f"{image}\n" for image in ids).encode())
        lowest = sorted([*lowest, *((draw(seed, image), image) for image in ids)])[:control]
    return PoolSummary(size, digest.hexdigest(), frozenset(image for _, image in lowest))


def draw(seed: int, image: str) -> bytes:
    """32 bytes that look random, and are the same for the same seed and image."""
    return hashlib.sha256(f"ssgan-next:{seed}:{image}".encode()).digest()


@dataclass(frozen=True)
class Candidates:
    """What the second pass over the pool leaves: the control group in the order of its draw, and candidates, best first."""

    control: ScoredImages
    uncertain: ScoredImages
    unknown: ScoredImages


def find_candidates(
    blocks: Iterator[ScoredImages], drawn: frozenset[str], seed: int, uncertain_per_class: int, unknown: int
) -> Candidates:
    """Keep the control group, the most uncertain images of each predicted class, and those most like an unknown class."""
    control: list[ScoredImages] = []
    uncertain: list[ScoredImages] = []
    novel: list[ScoredImages] = []
    for block in blocks:
        is_control = np.isin(block.ids, list(drawn))
        control.append(block.take(is_control))
        rest = block.take(~is_control)
        uncertain = [best(ScoredImages.join([*uncertain, rest]), "uncertainty", uncertain_per_class, per_class=True)]
        novel = [best(ScoredImages.join([*novel, rest]), "unknown", unknown, per_class=False)]
    random = ScoredImages.join(control)
    order = sorted(range(len(random)), key=lambda row: draw(seed, str(random.ids[row])))
    return Candidates(random.take(np.array(order, np.int64)), uncertain[0], novel[0])


def best(block: ScoredImages, score: str, limit: int, per_class: bool) -> ScoredImages:
    """The ``limit`` images with the largest scores (of each predicted class), best first; of equal ones the lower id."""
    block = block.take(np.lexsort((block.ids, -getattr(block, score))))
    if not per_class:
        return block.take(np.arange(min(limit, len(block))))
    group = np.argsort(block.top[:, 0], kind="stable")
    of_class = block.top[group, 0]
    place = np.arange(len(group)) - np.searchsorted(of_class, of_class)
    return block.take(np.sort(group[place < limit]))
