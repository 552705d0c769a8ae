"""Digits and torchvision's data sets as sources."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssgan.config import DataConfig, DigitsSource, TorchvisionSource
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.errors import DataError
from tests.support.images import blob, ingested, write

LIMIT = 1 << 20


def listed(source: Any) -> dict[str, tuple[str | None, str | None]]:
    return {item.path: (item.folder_class, item.official_split) for item in source.items()}


def test_digits_are_written_once_and_are_right(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    source = make_source(DigitsSource(path=str(tmp_path / "raw/digits")))
    items = list(source.items())
    assert (len(items), source.classes()) == (1797, [str(d) for d in range(10)])
    data = load_digits()
    for item in items[::97]:
        number = int(Path(item.path).stem)
        assert item.folder_class == str(data.target[number])
        pixels = np.asarray(Image.open(tmp_path / "raw/digits" / item.path))
        assert np.array_equal(pixels, np.rint(data.images[number] * 255 / 16))
    stamp = (tmp_path / "raw/digits/0/0000.png").stat().st_mtime_ns
    make_source(DigitsSource(path=str(tmp_path / "raw/digits")))
    assert (tmp_path / "raw/digits/0/0000.png").stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["digits"]


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def fake(dataset: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the raw files of a data set with 10 train and 5 test images; returns its images and labels, train first."""
    draw = np.random.default_rng(0)
    grey = dataset.endswith("MNIST")
    pixels = draw.integers(0, 255, (15, 28, 28) if grey else (15, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(15) % 10
    for part, prefix, mat in ((slice(0, 10), "train", "train"), (slice(10, 15), "t10k", "test")):
        images, numbers = pixels[part], labels[part]
        if grey:
            write(root, {f"{dataset}/raw/{prefix}-images-idx3-ubyte": idx(images)})
            write(root, {f"{dataset}/raw/{prefix}-labels-idx1-ubyte.gz": gzip.compress(idx(numbers))})
        elif dataset == "SVHN":
            from scipy.io import savemat

            savemat(
                root / f"{mat}_32x32.mat",
                {"X": images.transpose(1, 2, 3, 0), "y": np.where(numbers == 0, 10, numbers)[:, None]},
            )
        else:
            names = ["test_batch"] if mat == "test" else [f"data_batch_{i}" for i in range(1, 6)]
            for name, rows in zip(names, np.array_split(np.arange(len(images)), len(names)), strict=True):
                batch = {"data": images[rows].transpose(0, 3, 1, 2).reshape(len(rows), -1), "labels": numbers[rows].tolist()}
                write(root, {f"cifar-10-batches-py/{name}": pickle.dumps(batch, protocol=2)})
    return pixels, labels


@pytest.mark.parametrize("dataset", ["MNIST", "FashionMNIST", "SVHN", "CIFAR10"])
def test_array_data_sets(dataset: Any, tmp_path: Path) -> None:
    pixels, labels = fake(dataset, tmp_path)
    source = make_source(TorchvisionSource(dataset=dataset, root=str(tmp_path)))
    size, channels = pixels.shape[1], pixels.ndim - 2 if pixels.ndim == 3 else 3
    ingest(source, DataConfig(image_size=size, channels=1 if channels != 3 else 3), tmp_path / "out")
    table = sorted(ingested(tmp_path / "out").to_pylist(), key=lambda row: (row["official_split"] == "test", row["path"]))
    assert [row["official_split"] for row in table] == ["train"] * 10 + ["test"] * 5
    assert [source.classes().index(row["folder_class"]) for row in table] == labels.tolist()
    for row, image in zip(table, pixels, strict=True):
        stored = np.frombuffer(row["pixels"], np.uint8)
        assert np.array_equal(stored, image.ravel() if image.ndim == 2 else image.transpose(2, 0, 1).ravel())


def test_pets_are_cats_and_dogs(tmp_path: Path) -> None:
    base = tmp_path / "oxford-iiit-pet"
    lists = {"trainval": "# comment\nAbyssinian_1 1 1 1\nbeagle_2 5 2 4\n", "test": "Abyssinian_3 1 1 1\n"}
    write(base, {f"annotations/{name}.txt": text.encode() for name, text in lists.items()})
    write(base, {f"images/{name}.jpg": blob(n, "JPEG") for n, name in enumerate(["Abyssinian_1", "beagle_2", "Abyssinian_3"])})
    source = make_source(TorchvisionSource(dataset="OxfordIIITPet", root=str(tmp_path)))
    assert source.classes() == ["cat", "dog"]
    assert listed(source) == {
        "Abyssinian_1.jpg": ("cat", "train"),
        "beagle_2.jpg": ("dog", "train"),
        "Abyssinian_3.jpg": ("cat", "test"),
    }
    assert ingest(source, DataConfig(image_size=8), tmp_path / "out").accepted == 3


@pytest.mark.parametrize("dataset", ["MNIST", "SVHN", "CIFAR10", "OxfordIIITPet"])
def test_an_absent_data_set_says_what_to_do(dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"download: true"):
        make_source(TorchvisionSource(dataset=dataset, root=str(tmp_path)))


def test_damaged_arrays(tmp_path: Path) -> None:
    fake("MNIST", tmp_path)
    images = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="damaged"):
        make_source(TorchvisionSource(dataset="MNIST", root=str(tmp_path)))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "owned"),)

    fake("CIFAR10", tmp_path)
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="which no array needs"):
        make_source(TorchvisionSource(dataset="CIFAR10", root=str(tmp_path)))
    assert not (tmp_path / "owned").exists()
