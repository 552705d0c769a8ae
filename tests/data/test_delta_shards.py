"""Shards of an ingest after an earlier one: few small ones, none written in vain, damage found out, kills completed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ssgan.config import DataConfig, SplitConfig
from ssgan.data import earlier, images, workers
from ssgan.data.files import SplitFiles
from ssgan.data.schema import SETS
from ssgan.data.sources import listing
from ssgan.data.splits import split
from ssgan.errors import DataError
from tests.support.delta import TINY, run, sha, shards, splits, work
from tests.support.images import CONFIG, blob, digest, ingested, many, rows, write

pytestmark = pytest.mark.usefixtures("settled")


def test_small_batches_do_not_leave_small_files(tmp_path: Path) -> None:
    """100 weekly batches of 3: never more than the full shards and log2(capacity) small ones; nothing is decoded twice."""
    raw, out, config = tmp_path / "raw", tmp_path / "out", CONFIG.model_copy(update={"shard_bytes": 64 * 64})
    decoded, most, written = 0, 0, 0
    for week in range(100):
        write(raw, {f"a/{week:03d}-{i}": b"P5 8 8 255\n" + np.array([week, i] * 8, np.uint32).tobytes() for i in range(3)})
        summary = run(raw, out, config)
        sizes = sorted(pq.ParquetFile(p).metadata.num_rows for p in (out / "images").iterdir())
        decoded, written = decoded + summary.decoded, written + summary.shards - summary.shards_kept
        most = max(most, sum(size < 32 for size in sizes))
        assert sum(sizes) == 3 * (week + 1)
    assert decoded == 300
    assert most <= 6
    assert len(sizes) <= 300 // 32 + 6
    assert summary.shards_kept >= len(sizes) - 2


def test_a_file_that_went_takes_its_row_with_it_and_leaves_the_other_shards_alone(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(40)), tmp_path / "out"
    run(raw, out, TINY)
    before = shards(out)
    gone = next(row for row in rows(out / "index/00002.parquet"))
    (raw / gone["path"]).unlink()
    summary = run(raw, out, TINY)
    after = shards(out)
    assert {name for name in before if before[name] != after[name]} == {"images/00002.parquet"}
    assert work(summary) == (0, 0)
    assert gone["id"].hex() not in ingested(out)["id"].to_pylist()
    for path in raw.rglob("*.png"):
        if any(row["path"] == str(path.relative_to(raw)) for row in rows(out / "index/00002.parquet")):
            path.unlink()
    run(raw, out, TINY)
    assert shards(out).keys() == before.keys() - {"images/00002.parquet"}


def test_a_shard_with_a_flipped_bit_is_found_out(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(16)), tmp_path / "out"
    run(raw, out, TINY)
    path = out / "images/00001.parquet"
    data = bytearray(path.read_bytes())
    pixels = data.find(rows(path)[3]["pixels"])
    data[pixels] ^= 1
    path.write_bytes(bytes(data))
    splits(out)  # reads no pixel
    with pytest.raises(DataError, match=r"00001\.parquet is damaged .* delete it and run `dvc repro ingest`"):
        SplitFiles(str(out / "splits")).inputs("unlabeled")
    (raw / rows(out / "index/00001.parquet")[0]["path"]).unlink()  # it has to be written anew
    with pytest.raises(DataError, match=r"00001\.parquet is damaged .* delete it"):
        run(raw, out, TINY)
    path.unlink()
    assert work(run(raw, out, TINY)) == (7, 7)


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_what_is_no_shard_of_ours_is_not_taken_over(tmp_path: Path, content: bytes | None) -> None:
    raw, out = write(tmp_path / "raw", many(4)), tmp_path / "out"
    write(out, {"images/00000.parquet": content or b""})
    if content is None:
        run(raw, tmp_path / "other", DataConfig(image_size=16))
        shutil.copy(tmp_path / "other/images/00000.parquet", out / "images/00000.parquet")
    assert work(run(raw, out)) == (4, 4)
    run(raw, tmp_path / "fresh")
    assert digest(out) == digest(tmp_path / "fresh")


def test_removed_images_do_not_come_back(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(10) | {"a/twin.png": blob(3), "a/bad": b"text"}), tmp_path / "out"
    run(raw, out)
    gone = frozenset({sha(blob(3)), sha(b"text")})
    for index in ("kept", "lost"):
        if index == "lost":
            (out / images.INDEX).unlink()
        summary = run(raw, out, removed=gone)
        assert summary.decoded == 0
        assert (summary.seen, summary.accepted, summary.removed) == (12, 9, 3)
        assert (summary.duplicates, summary.rejected.total()) == (0, 0)
        assert sha(blob(3)).hex() not in ingested(out)["id"].to_pylist()
    assert run(raw, out).accepted == 10  # taken off the list: decoded again


# --- interrupted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(1, 9))
def test_a_kill_between_two_renames_leaves_what_the_next_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    raw, out = write(tmp_path / "raw", many(6)), tmp_path / "out"
    run(raw, out)
    old = digest(out)
    write(raw, {"a/bad": b"text", "a/new.png": blob(99), "b/twin.png": blob(1)})
    shutil.copytree(out, tmp_path / "copy")
    run(raw, tmp_path / "copy")
    real, calls = Path.rename, [0]

    def rename(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == at:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        run(raw, out)
    monkeypatch.setattr(Path, "rename", real)
    if at == 1:
        assert digest(out) == old
        assert run(raw, out).decoded == 1
    else:
        with pytest.raises(DataError, match="killed while it put its results"):
            split(out, tmp_path / "splits", SplitConfig(), None, None)
        assert work(run(raw, out)) == (0, 0)  # the one that was killed had done it all
    assert digest(out) == digest(tmp_path / "copy")
    assert sorted(p.name for p in out.iterdir()) == sorted(images.OUTPUTS)


def test_the_result_of_a_delta_does_not_depend_on_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(tmp_path / "raw", many(30))
    run(raw, tmp_path / "one", TINY)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    write(raw, many(45, 20))
    monkeypatch.setattr(workers, "BATCH_FILES", 3)
    run(raw, tmp_path / "one", TINY, workers=1, kind="threads")
    monkeypatch.setattr(listing, "LONGEST_BATCH", 4)
    run(raw, tmp_path / "other", TINY, workers=3, kind="processes")
    assert digest(tmp_path / "one") == digest(tmp_path / "other")


def test_constants() -> None:
    assert earlier.MERGE_BELOW == 2  # what the bound on small shards rests on
    assert set(SETS) == {"labeled", "unlabeled", "val", "test"}
