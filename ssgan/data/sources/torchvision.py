"""The data sets of torchvision, read from their raw files without torchvision (and so without torch).

torchvision is imported in one case only: to download a data set that is not there. The official test set is kept.
"""

from __future__ import annotations

import gzip
import importlib
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.data.sources import ImageSource, Item
from ssgan.data.sources.arrays import Arrays, ArraySplit
from ssgan.data.sources.folder import Folder
from ssgan.errors import DataError
from ssgan.wording import counted

DIGITS = [str(digit) for digit in range(10)]
# torchvision calls class 0 "T-shirt/top"; a class name must be able to be the name of a folder
FASHION = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_DAMAGE = (ValueError, KeyError, IndexError, EOFError, TypeError, pickle.UnpicklingError, gzip.BadGzipFile)


def torchvision(dataset: str, root: str, download: bool) -> ImageSource:
    """The data set below ``root``, as torchvision lays it out there; fetched first where it is absent and ``download``.

    Raises DataError where it is absent or damaged.
    """
    reader = _READERS[dataset]
    try:
        return reader(dataset, root)
    except FileNotFoundError as missing:
        if not download:
            raise DataError(
                f"{dataset} is not below {root!r} ({missing.filename} is missing); copy its raw files there, or set "
                "`data.source.download: true` to fetch it from the data set's own site"
            ) from None
    except _DAMAGE as error:
        raise DataError(f"{dataset} below {root!r} is damaged ({error}); remove it and fetch it again") from error
    _download(dataset, root)
    return reader(dataset, root)


def _download(dataset: str, root: str) -> None:
    datasets = importlib.import_module("torchvision.datasets")  # by name: data preparation does not depend on torch
    keys = {"SVHN": "split", "OxfordIIITPet": "split"}
    parts = {"SVHN": ("train", "test"), "OxfordIIITPet": ("trainval", "test")}.get(dataset, (True, False))
    for part in parts:
        try:
            getattr(datasets, dataset)(root, download=True, **{keys.get(dataset, "train"): part})
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{dataset} could not be fetched ({error}); check the network or copy its raw files below {root!r}"
            ) from error


def _mnist(dataset: str, root: str) -> ImageSource:
    folder = f"{root}/{dataset}/raw"
    parts = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = _idx(f"{folder}/{prefix}-images-idx3-ubyte"), _idx(f"{folder}/{prefix}-labels-idx1-ubyte")
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(f"{prefix}: images {images.shape} do not match labels {labels.shape}")
        parts.append(ArraySplit(split, images, labels.tolist()))
    return Arrays(dataset, FASHION if dataset == "FashionMNIST" else DIGITS, parts)


def _idx(path: str) -> npt.NDArray[np.uint8]:
    """An IDX file of bytes, plain or gzipped."""
    if os.path.exists(path):
        with open(path, "rb") as plain:
            data = plain.read()
    else:
        with gzip.open(path + ".gz", "rb") as packed:
            data = packed.read()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of bytes")
    shape = np.frombuffer(data, ">u4", data[3], 4).tolist()
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def _svhn(dataset: str, root: str) -> ImageSource:
    from scipy.io import loadmat

    parts = []
    for split in ("train", "test"):
        content = loadmat(f"{root}/{split}_32x32.mat", appendmat=False)
        images = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
        parts.append(ArraySplit(split, images, (content["y"].ravel() % 10).tolist()))  # the files say 10 for the digit 0
    return Arrays(dataset, DIGITS, parts)


def _cifar10(dataset: str, root: str) -> ImageSource:
    folder = f"{root}/cifar-10-batches-py"
    parts = []
    for split, names in (("train", [f"data_batch_{i}" for i in range(1, 6)]), ("test", ["test_batch"])):
        batches = [_unpickle(f"{folder}/{name}") for name in names]
        images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        parts.append(ArraySplit(split, np.ascontiguousarray(images), [label for batch in batches for label in batch["labels"]]))
    return Arrays(dataset, CIFAR10, parts)


class _NumpyOnly(pickle.Unpickler):
    """A pickle can run any code; these need nothing but arrays."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"the file wants to load {module}.{name}, which no array needs")


def _unpickle(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        content: dict[str, Any] = _NumpyOnly(file, encoding="latin1").load()
    return content


class _Pets(Folder):
    """Oxford-IIIT Pet as cat or dog: files of a folder, their class and split from the lists beside it."""

    def __init__(self, root: str) -> None:
        base = f"{root}/oxford-iiit-pet"
        lists = {"train": _lines(f"{base}/annotations/trainval.txt"), "test": _lines(f"{base}/annotations/test.txt")}
        if not os.path.isdir(f"{base}/images"):
            raise FileNotFoundError(2, "no such folder", f"{base}/images")
        super().__init__(f"{base}/images", "flat")
        # a line is: image, breed (1-37), species (1 cat, 2 dog), breed within the species
        self._items = [
            Item(f"{line[0]}.jpg", None, self.classes()[int(line[2]) - 1], split) for split in lists for line in lists[split]
        ]

    @property
    def notes(self) -> list[str]:
        return [f"OxfordIIITPet: {counted(len(self._items), 'image')} in its official lists, classes cat and dog"]

    def classes(self) -> list[str]:
        return ["cat", "dog"]

    def items(self) -> Iterator[Item]:
        return iter(self._items)


def _lines(path: str) -> list[list[str]]:
    with open(path) as file:
        return [line.split() for line in file if line.strip() and not line.startswith("#")]


def _pets(dataset: str, root: str) -> ImageSource:
    return _Pets(root)


_READERS: dict[str, Callable[[str, str], ImageSource]] = {
    "MNIST": _mnist,
    "FashionMNIST": _mnist,
    "SVHN": _svhn,
    "CIFAR10": _cifar10,
    "OxfordIIITPet": _pets,
}
