"""Original files of sources that are no S3; tests/s3/test_originals.py has the rest."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from ssgan.config import DigitsSource, FolderSource, TorchvisionSource
from ssgan.data.originals import originals
from ssgan.data.rejections import Rejected
from ssgan.errors import DataError

MIB = 1 << 20


def test_a_file_of_a_folder_as_it_is_now(tmp_path: Path) -> None:
    read = originals(FolderSource(path=str(tmp_path)), 10)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.png").write_bytes(b"one")
    assert read("cat/1.png") == b"one"
    (tmp_path / "cat/1.png").write_bytes(b"other")
    assert read("cat/1.png") == b"other"
    (tmp_path / "cat/1.png").write_bytes(b"more than ten")
    with pytest.raises(Rejected, match=r"data\.max_file_bytes is 10"):
        read("cat/1.png")
    with pytest.raises(Rejected, match="vanished"):
        read("cat/2.png")


def test_the_digits_are_read_and_never_written(tmp_path: Path) -> None:
    read = originals(DigitsSource(path=str(tmp_path / "digits")), MIB)
    with pytest.raises(DataError, match="which is not a folder"):
        read("0/0000.png")
    assert not (tmp_path / "digits").exists()
    (tmp_path / "digits/0").mkdir(parents=True)
    (tmp_path / "digits/0/0000.png").write_bytes(b"zero")
    assert read("0/0000.png") == b"zero"


def test_an_image_of_an_array_has_the_bytes_that_its_id_is_made_of(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 28, 28), dtype=np.uint8)
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        (raw / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (raw / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(3, dtype=np.uint8))))
    read = originals(TorchvisionSource(dataset="MNIST", root=str(tmp_path)), MIB)
    data = read("test/000002.pgm")
    assert hashlib.sha256(data).hexdigest() == hashlib.sha256(b"P5 28 28 255\n" + images[2].tobytes()).hexdigest()
    for path in ("cat/1.png", "train/000009.pgm", "1.png"):  # paths of another source, or of more images
        with pytest.raises(DataError, match=r"MNIST has no such image; was `data\.source` changed since `ingest`\?"):
            read(path)


def idx(array: np.ndarray) -> bytes:
    return b"\x00\x00\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + array.tobytes()


def test_a_page_never_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DataError, match="copy its raw files there"):
        originals(TorchvisionSource(dataset="MNIST", root=str(tmp_path), download=True), MIB)("train/000001.pgm")
