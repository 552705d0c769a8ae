"""Pictures of originals for people: larger than the stored copy, of the very file, and without waiting twice."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ssgan.config import DataConfig, FolderSource
from ssgan.data.originals import originals
from ssgan.data.previews import SIDE, previews, previews_of
from ssgan.errors import StorageError

RANDOM = np.random.default_rng(0)


def png(height: int, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_original_is_shown_where_it_is_larger_than_the_stored_copy(tmp_path: Path) -> None:
    files = {"large.png": png(300, 600), "small.png": png(32, 20), "changed.png": png(300, 300), "gone.png": png(99, 99)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ids = [sha(data) for data in files.values()]
    (tmp_path / "changed.png").write_bytes(png(300, 300))
    (tmp_path / "gone.png").unlink()
    config = DataConfig(source=FolderSource(path=str(tmp_path)), image_size=32)
    large, *others = previews_of(config)(ids, list(files))
    assert others == [None, None, None]
    assert large
    shown = Image.open(io.BytesIO(large))
    assert (shown.format, shown.size) == ("JPEG", (SIDE, SIDE // 2))


def test_a_source_that_does_not_answer_is_asked_once() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        raise StorageError("no answer")

    assert previews(["0" * 64] * 3, ["a", "b", "c"], read, 32) == [None, None, None]
    assert asked == ["a"]


def test_a_source_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    read = originals(FolderSource(path=str(tmp_path / "nowhere")), 1 << 20)
    assert previews(["0" * 64], ["a.png"], read, 32) == [None]
