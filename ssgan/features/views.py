"""Views of an image: the first is plain, the others are randomly augmented, functions of its id and their number.

Random crop of 35 to 100 % of the area, mirrored with probability 1/2, brightness, contrast and saturation changed by up to
40 %: as in Chen et al. 2020 (SimCLR), appendix A, without gray and blur.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from ssgan.data.opencv import cv2

Pixels = npt.NDArray[np.uint8]

LEAST_AREA = 0.35
COLOR = 0.4
GRAY = np.array([0.299, 0.587, 0.114], np.float32)


def view(image: Pixels, digest: bytes, number: int, size: int) -> Pixels:
    """(3, B, B) -> (3, size, size). ``digest`` is the id of the image, ``number`` that of the view; 0 is the middle."""
    side = image.shape[1]
    if number == 0:
        top = (side - size) // 2
        return image[:, top : top + size, top : top + size]
    seed = hashlib.sha256(digest + number.to_bytes(2, "big")).digest()
    random = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:8], "big")))
    width = max(1, round(side * float(np.sqrt(random.uniform(LEAST_AREA, 1.0)))))
    top, left = (int(random.integers(0, side - width + 1)) for _ in range(2))
    patch = np.ascontiguousarray(image[:, top : top + width, left : left + width].transpose(1, 2, 0))
    if random.random() < 0.5:
        patch = patch[:, ::-1]
    method = cv2.INTER_AREA if width > size else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(patch), (size, size), interpolation=method)
    return _recolored(resized.astype(np.float32), random).transpose(2, 0, 1)


def _recolored(image: npt.NDArray[np.float32], random: np.random.Generator) -> Pixels:
    """(S, S, 3) in [0, 255] with other brightness, contrast and saturation."""
    brightness, contrast, saturation = random.uniform(1 - COLOR, 1 + COLOR, 3).astype(np.float32)
    image = image * brightness
    gray = image @ GRAY
    image = (image - gray.mean()) * contrast + gray.mean()
    gray = (image @ GRAY)[..., None]
    return (gray + (image - gray) * saturation).round().clip(0, 255).astype(np.uint8)
