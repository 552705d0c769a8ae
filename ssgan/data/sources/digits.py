"""scikit-learn's 1,797 handwritten digits (8 x 8 pixels, 10 classes): real data that needs no download.

Written once as PNG files, one folder per class, and read like any other folder from then on.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssgan.data.sources.folder import Folder
from ssgan.errors import DataError


def digits(path: str) -> Folder:
    """The folder of digits at ``path``, written first if it is not there."""
    if not os.path.isdir(path) or not os.listdir(path):
        _write(path)
    return Folder(path, "classes")


def _write(path: str) -> None:
    """Write all files beside ``path`` and rename: the folder is whole or absent."""
    table = _table()
    images: npt.NDArray[np.uint8] = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels: list[int] = table[:, 64].astype(int).tolist()
    parent = os.path.dirname(os.path.abspath(path))
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=".digits-", dir=parent)
    try:
        os.chmod(folder, 0o755)
        for label in range(10):
            os.mkdir(f"{folder}/{label}")
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(f"{folder}/{label}/{number:04d}.png")
        _rename(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _table() -> npt.NDArray[np.float64]:
    """(1797, 65): 64 pixels from 0 to 16, and the digit. From its file: importing scikit-learn takes seconds."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("the digits come with scikit-learn, which is not installed; run `pip install scikit-learn`")
    with gzip.open(Path(package.origin).parent / "datasets/data/digits.csv.gz", "rt") as file:
        return np.loadtxt(file, delimiter=",")


def _rename(folder: str, path: str) -> None:
    try:
        os.rename(folder, path)  # replaces an empty folder, never a full one
    except OSError:
        if not os.path.isdir(path):  # another process may have written the same digits meanwhile
            raise
