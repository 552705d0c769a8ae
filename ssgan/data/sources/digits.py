"""scikit-learn's 1,797 handwritten digits (8 x 8 pixels, 10 classes): real data that needs no download.

Written once as PNG files, one folder per class, and read like any other folder from then on.
"""

from __future__ import annotations

import os
import shutil
import tempfile

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssgan.data.sources.folder import Folder


def digits(path: str) -> Folder:
    """The folder of digits at ``path``, written first if it is not there."""
    if not os.path.isdir(path) or not os.listdir(path):
        _write(path)
    return Folder(path, "classes")


def _write(path: str) -> None:
    """Write all files beside ``path`` and rename: the folder is whole or absent."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images: npt.NDArray[np.uint8] = np.rint(data.images * (255 / 16)).astype(np.uint8)
    parent = os.path.dirname(os.path.abspath(path))
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=".digits-", dir=parent)
    try:
        os.chmod(folder, 0o755)
        for label in range(10):
            os.mkdir(f"{folder}/{label}")
        for number, (image, label) in enumerate(zip(images, data.target.tolist(), strict=True)):
            Image.fromarray(image).save(f"{folder}/{label}/{number:04d}.png")
        _rename(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(folder: str, path: str) -> None:
    try:
        os.rename(folder, path)  # replaces an empty folder, never a full one
    except OSError:
        if not os.path.isdir(path):  # another process may have written the same digits meanwhile
            raise
