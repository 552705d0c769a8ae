"""An ingest after an earlier one: run it, and what to look at."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ssgan.config import DataConfig, SplitConfig
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.sources.folder import Folder
from ssgan.data.splits import split
from ssgan.errors import DataError
from tests.support.images import CONFIG, digest

TINY = CONFIG.model_copy(update={"shard_bytes": 8 * 64})  # eight images in a shard
STORE = ("images", "index")


def run(raw: Path, out: Path, config: DataConfig = CONFIG, **options: Any) -> IngestSummary:
    return ingest(Folder(str(raw), "classes"), config, out, **options)


def work(summary: IngestSummary) -> tuple[int, int]:
    return summary.read, summary.decoded


def shards(out: Path) -> dict[str, str]:
    return {name: value for name, value in digest(out).items() if name.startswith("images/")}


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def splits(out: Path) -> None:
    config = SplitConfig(mode="benchmark", num_labels=2, on_conflict="drop", val_fraction=0.2, test_fraction=0.4)
    try:
        split(out, out / "splits", config, out / "duplicates.parquet", None)
    except DataError as error:  # too few images for that
        (out / "splits").mkdir(exist_ok=True)
        (out / "splits" / "split.json").write_text(str(error))
