"""Small images, and the ids that an ingest gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image


def write_images(folder: Path, numbers: range) -> None:
    """Small smooth ones, each a function of its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        coarse = np.random.default_rng(number).integers(0, 256, (3, 4, 3), np.uint8)  # smooth: libraries resize it alike
        Image.fromarray(coarse).resize((16, 12), Image.Resampling.BILINEAR).save(folder / f"{number:03d}.png")


def ids_of(folder: Path) -> list[str]:
    """Of all images that were ingested, in the order of the shards."""
    return [
        one.hex()
        for path in sorted((folder / "data/images").glob("*.parquet"))
        for one in pq.read_table(path)["id"].to_pylist()
    ]
