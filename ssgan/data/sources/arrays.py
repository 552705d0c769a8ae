"""Data sets that are one array of pixels: every image is handed out as a binary netpbm file.

So the id of such an image is the sha256 of ``P5|P6 width height 255`` and its raw pixels: the same whatever library or
compressor wrote the array, which an id of PNG bytes would not be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.data.sources import Item


class ArraySplit(NamedTuple):
    """One official split."""

    split: str  # train or test
    images: npt.NDArray[np.uint8]  # (N, H, W) gray or (N, H, W, 3) RGB
    labels: list[int]  # positions in the class list


class Arrays:
    """Parts of a data set in memory."""

    folder = None
    threads = 0

    def __init__(self, name: str, classes: list[str], parts: list[ArraySplit]) -> None:
        self.name = name
        self._classes = classes
        self._parts = {part.split: part for part in parts}
        self.notes = [f"{name}: official split in {' and '.join(f'{len(p.images)} {p.split}' for p in parts)} images"]

    def classes(self) -> list[str]:
        return self._classes

    def items(self) -> Iterator[Item]:
        for split, images, labels in self._parts.values():
            suffix = "pgm" if images.ndim == 3 else "ppm"
            size = len(netpbm(images[0])) if len(images) else 0
            for number, label in enumerate(labels):
                yield Item(f"{split}/{number:06d}.{suffix}", size, self._classes[label], split)

    def read(self, item: Item, max_bytes: int) -> bytes:
        split, file = item.path.split("/")
        return netpbm(self._parts[split].images[int(file.split(".")[0])])


def netpbm(image: npt.NDArray[np.uint8]) -> bytes:
    """(H, W) as PGM, (H, W, 3) as PPM, both binary and without a comment."""
    height, width = image.shape[:2]
    return b"P%d %d %d 255\n" % (5 if image.ndim == 2 else 6, width, height) + image.tobytes()
