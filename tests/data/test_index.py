"""The index beside the images: what a move costs, what is refused, and what an older project is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ssgan.config import SplitConfig
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.sources.folder import Folder
from ssgan.data.splits import split
from ssgan.errors import DataError
from tests.support.images import CONFIG, digest, ingested, many, rows, write

TINY = CONFIG.model_copy(update={"shard_bytes": 8 * 64})  # eight images in a shard


def run(raw: Path, out: Path) -> IngestSummary:
    return ingest(Folder(str(raw), "classes"), TINY, out)


def test_a_file_that_moved_costs_its_index_and_no_pixel(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(40)), tmp_path / "out"
    run(raw, out)
    before = digest(out)
    moved = rows(out / "index/00002.parquet")[0]["path"]
    (raw / moved).rename(raw / "b/moved.png")
    summary = run(raw, out)
    assert summary.shards_kept == summary.shards
    assert {name for name, value in digest(out).items() if value != before[name]} == {"index/00002.parquet"}
    assert "b/moved.png" in ingested(out)["path"].to_pylist()


def test_images_and_index_of_different_ingests_are_refused(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(16)), tmp_path / "out"
    run(raw, out)
    run(write(tmp_path / "others", many(16, 50)), tmp_path / "other")
    shutil.copy(tmp_path / "other/index/00001.parquet", out / "index/00001.parquet")
    with pytest.raises(DataError, match="are not of one ingest; run `dvc repro ingest`"):
        split(out, tmp_path / "splits", SplitConfig(), None, None)
    assert run(raw, out).decoded == 8  # the images of that shard are decoded once more


def test_images_of_an_older_version_say_what_to_run_and_are_decoded_once_more(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(4)), tmp_path / "out"
    run(raw, out)
    path = out / "images/00000.parquet"
    table = pq.read_table(path)
    metadata = table.schema.metadata | {b"ssgan": table.schema.metadata[b"ssgan"].replace(b'_version": 3', b'_version": 2')}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    shutil.rmtree(out / "index")
    with pytest.raises(DataError, match="schema version 2, this code reads 3; run `dvc repro ingest"):
        split(out, tmp_path / "splits", SplitConfig(), None, None)
    assert run(raw, out).decoded == 4
    run(raw, tmp_path / "fresh")
    assert digest(out) == digest(tmp_path / "fresh")
