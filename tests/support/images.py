"""Image files for tests of ingest and decoding, and what is in a folder afterwards."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ssgan.config import DataConfig
from ssgan.data import images, schema
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.sources.folder import Folder

CONFIG = DataConfig(image_size=8, channels=1)


def picture(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """(height, width, 4) smooth colors, no symmetry, so that a swapped channel or axis cannot go unseen."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / width, 255 * y / height
    blue = 127 + 120 * np.sin(7 * x / width) * np.cos(6 * y / height)
    alpha = 255 * (x + y) / (height + width)
    return np.stack([red, green, blue, alpha], -1).astype(np.uint8)


def encode(image: Image.Image, fmt: str, **options: Any) -> bytes:
    """The image as a file of this format; ``options`` are Pillow's."""
    out = BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def blob(value: int, fmt: str = "PNG") -> bytes:
    """An image file that differs for every ``value``."""
    return encode(Image.fromarray(np.random.default_rng(value).integers(0, 255, (9, 9, 3), dtype=np.uint8)), fmt)


def many(n: int, start: int = 0) -> dict[str, bytes]:
    """``n`` images in two classes, from number ``start``, by their paths."""
    return {f"{'ab'[i % 2]}/{i:04d}.png": blob(i) for i in range(start, start + n)}


def write(root: Path, files: dict[str, bytes]) -> Path:
    """Write files by their paths below ``root``; returns ``root``."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def mixture(root: Path) -> Path:
    """Images of two classes, and all that can be wrong with a file."""
    animated = BytesIO()
    frames = [Image.fromarray(np.full((9, 9), grey, np.uint8)) for grey in (0, 255)]
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    files = {f"{'ab'[n % 2]}/{n:03d}.png": blob(n, "JPEG" if n % 3 else "PNG") for n in range(60)}
    files |= {f"{'ba'[n % 2]}/twin-{n:03d}.png": blob(n, "JPEG" if n % 3 else "PNG") for n in range(0, 60, 7)}
    files |= {f"a/cut-{n}.png": blob(n)[: 40 + n] for n in range(5)}
    files |= {"a/moving.gif": animated.getvalue(), "b/text.png": b"text", "b/empty.png": b"", ".hidden": b""}
    return write(root, files)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    return pq.read_table(path).to_pylist()


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by path; the index of an ingest, which holds times, is left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != images.INDEX
    }


def ingested(out: Path) -> pa.Table:
    """Everything about the images in ``out``: the index, and the pixels of the same rows."""
    index, stored = (schema.read_set(out / name) for name in ("index", "images"))
    assert index["id"].equals(stored["id"])
    return index.append_column("pixels", stored["pixels"])


def run(raw: Path, out: Path, config: DataConfig = CONFIG, **options: Any) -> IngestSummary:
    """Ingest a folder."""
    return images.ingest(Folder(str(raw), options.pop("layout", "auto")), config, out, **options)
