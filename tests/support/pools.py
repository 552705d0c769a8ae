"""A pool with a stand-in for the model: what a test needs to know about each image is told by its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import ImageSpec
from ssgan.data.files import SplitFiles
from tests.support.data import write_data

SPEC = ImageSpec(1, 8, "fit")
CLASSES = ["ant", "bee", "cat"]
U8 = npt.NDArray[np.uint8]


class Fake(NamedTuple):
    logits: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]


def look(images: U8) -> Fake:
    """Logits and features are linear in the pixels; no two random images are near in either."""
    x = np.asarray(images.reshape(len(images), -1).astype(np.float32) / 255 - 0.5, np.float32)
    random = np.random.default_rng(7)
    return Fake(x @ random.normal(size=(64, 3)).astype(np.float32), np.abs(x @ random.normal(size=(64, 9)).astype(np.float32)))


def look_by_id(ids: Sequence[str], images: U8) -> Fake:
    """The same, as commands ask for it."""
    return look(images)


def noise(n: int, seed: int) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (n, *SPEC.shape), dtype=np.uint8)


def pool(folder: Path, unlabeled: U8, labeled: U8 | None = None, extra: U8 | None = None) -> SplitFiles:
    """``extra``: images of the store that are in val."""
    labeled = noise(6, 1) if labeled is None else labeled
    sets: dict[str, Any] = {
        "labeled": (labeled, np.arange(len(labeled)) % 3),
        "unlabeled": (unlabeled, None),
    }
    sets |= {} if extra is None else {"val": (extra, np.zeros(len(extra), np.int64))}
    return write_data(folder, sets, SPEC, CLASSES)
