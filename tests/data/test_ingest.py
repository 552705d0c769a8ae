"""What ingest makes of a folder: every file accounted for, the same bytes each time, nothing touched, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.config import MIB, DataConfig, ImageSpec
from ssgan.data import images, workers
from ssgan.data.decode import DecodeLimits, decode
from ssgan.data.phash import phash
from ssgan.data.schema import pixels_to_numpy, read_metadata, spec_of
from ssgan.errors import ConfigError, DataError
from tests.support.images import blob, digest, ingested, rows, run, write

KINDS: dict[str, Callable[[int], bytes]] = {
    "image": lambda n: blob(n),
    "jpeg": lambda n: blob(n, "JPEG"),
    "twin": lambda n: blob(0),
    "text": lambda n: b"text %d" % n,
    "empty": lambda n: b"",
    "cut": lambda n: blob(n)[: 40 + n % 20],
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 7))
def test_every_file_is_accepted_rejected_or_a_duplicate(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], threads: int, batch: int
) -> None:
    root = tmp_path_factory.mktemp("any")
    contents = [KINDS[kind](number + 1) for number, kind in enumerate(kinds)]
    raw = write(root / "raw", {f"{'ab'[n % 2]}/{n:03d}.png": data for n, data in enumerate(contents)})
    good = [c for c, kind in zip(contents, kinds, strict=True) if kind in ("image", "jpeg", "twin")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "BATCH_FILES", batch)
        if not good:
            with pytest.raises(DataError):
                run(raw, root / "out", workers=threads)
            return
        summary = run(raw, root / "out", workers=threads)
    table, rejected = ingested(root / "out"), rows(root / "out/rejected.parquet")
    dropped = [row for row in rows(root / "out/duplicates.parquet") if not row["kept"]]
    paths = table["path"].to_pylist() + [row["path"] for row in rejected] + [row["path"] for row in dropped]
    assert sorted(paths) == sorted(os.path.relpath(p, raw) for p in raw.rglob("*") if p.is_file())
    assert (summary.seen, summary.accepted) == (len(kinds), len(set(good)))
    assert (summary.duplicates, sum(summary.rejected.values())) == (len(dropped), len(rejected))
    assert set(table["id"].to_pylist()) == {hashlib.sha256(data).hexdigest() for data in good}


def test_rows_say_what_the_files_are(tmp_path: Path) -> None:
    files = {"train/b/1.jpg": blob(1, "JPEG"), "train/a/2.png": blob(2), "test/a/3.png": blob(3), "train/4.png": blob(4)}
    summary = run(write(tmp_path / "raw", files), tmp_path / "out", DataConfig(image_size=12, channels=3, resize="crop"))
    table = ingested(tmp_path / "out")
    metadata = read_metadata(table.schema.metadata, "images")
    spec = spec_of(metadata)
    assert spec == ImageSpec(3, 12, "crop")
    assert (summary.classes, metadata["classes"]) == (["a", "b"], [])  # a new class changes no shard
    assert metadata["made_by"]["limits"]["max_pixels"] == DataConfig().max_pixels
    found = {row["path"]: row for row in table.to_pylist()}
    assert table["id"].to_pylist() == sorted(table["id"].to_pylist())
    for path, data in files.items():
        row = found[path]
        pixels = decode(data, spec, DecodeLimits(10**6, 10**6))
        assert row["pixels"] == pixels.tobytes()
        assert row["phash"] == int(phash(pixels[None])[0])
        assert (row["height"], row["width"], row["mode"]) == (9, 9, "RGB")
        assert row["official_split"] == path.split("/")[0]
        assert row["folder_class"] == (path.split("/")[1] if path.count("/") == 2 else None)
    assert np.array_equal(pixels_to_numpy(table["pixels"], spec)[0].tobytes(), table["pixels"][0].as_py())


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("count", [1, 4])
def test_the_same_bytes_by_any_number_of_workers(tmp_path: Path, count: int, kind: Any, monkeypatch: Any) -> None:
    files = {f"{n % 3}/{n:04d}": (blob(n) if n % 9 else b"bad") for n in range(150)} | {"0/a": blob(1), "2/z": blob(1)}
    raw = write(tmp_path / "raw", files)
    run(raw, tmp_path / "one", workers=1, kind="threads")
    monkeypatch.setattr(workers, "BATCH_FILES", 4)
    run(raw, tmp_path / "other", workers=count, kind=kind)
    assert digest(tmp_path / "one") == digest(tmp_path / "other")
    assert len(digest(tmp_path / "one")) == 4


def test_shards_and_row_groups_are_cut_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(tmp_path / "raw", {f"{n}.png": blob(n) for n in range(60)})
    monkeypatch.setattr("ssgan.data.image_shards.ROW_GROUP_BYTES", 256 * 256 * 3 * 2)
    summary = run(raw, tmp_path / "out", DataConfig(image_size=256, channels=3, shard_bytes=MIB * 2), layout="flat")
    files = sorted((tmp_path / "out/images").iterdir())
    assert [pq.ParquetFile(f).metadata.num_rows for f in files] == [10] * 6
    assert summary.shards == 6
    assert {pq.ParquetFile(f).metadata.row_group(g).num_rows for f in files for g in range(5)} == {2}
    for file in files:
        ids = pq.read_table(file)["id"].to_pylist()
        assert ids == sorted(ids)


def test_of_identical_files_the_first_is_kept_and_conflicts_are_counted(tmp_path: Path) -> None:
    files = {
        "train/cat/1": blob(1),
        "train/cat/2": blob(1),  # plain duplicate
        "train/dog/3": blob(1),  # another class
        "test/cat/4": blob(2),
        "train/cat/5": blob(2),  # the other side of the split
        "train/dog/6": blob(3),
        "train/7": blob(3),  # no class: no conflict
    }
    summary = run(write(tmp_path / "raw", files), tmp_path / "out")
    assert (summary.accepted, summary.duplicates) == (3, 4)
    assert (summary.duplicates_across_classes, summary.duplicates_across_splits) == (1, 1)
    found = rows(tmp_path / "out/duplicates.parquet")
    groups = {row["path"]: (row["kept"], row["folder_class"], row["official_split"]) for row in found}
    assert groups == {
        "train/cat/1": (True, "cat", "train"),
        "train/cat/2": (False, "cat", "train"),
        "train/dog/3": (False, "dog", "train"),
        "test/cat/4": (True, "cat", "test"),
        "train/cat/5": (False, "cat", "train"),
        "train/7": (True, None, "train"),
        "train/dog/6": (False, "dog", "train"),
    }
    assert {row["path"] for row in found if row["kept"]} == set(ingested(tmp_path / "out")["path"].to_pylist())


def test_raw_is_not_touched(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"a/1.png": blob(1), "a/2.png": b"bad", "b/3.png": blob(1)})
    before = [(path, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in sorted(raw.rglob("*"))]
    run(raw, tmp_path / "out")
    assert [(path, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in sorted(raw.rglob("*"))] == before


def test_a_second_run_replaces_the_first_and_a_failed_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out = write(tmp_path / "raw", {"1.png": blob(1)}), tmp_path / "out"
    run(raw, out)
    write(raw, {"2.png": blob(2)})
    run(raw, out)
    assert ingested(out).num_rows == 2
    before = digest(out)
    write(raw, {"3.png": blob(3)})

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(images, "finish_duplicates", fail)
    with pytest.raises(OSError, match="disk full"):
        run(raw, out)
    assert digest(out) == before
    assert sorted(p.name for p in out.iterdir()) == sorted(images.OUTPUTS)


def test_nothing_accepted_names_the_reasons(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"1": b"text", "2": b"text", "3": b""})
    with pytest.raises(DataError, match=r"none of the 3 files .* \(2 not_an_image, 1 empty\)"):
        run(raw, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="contains no files"):
        run(tmp_path / "void", tmp_path / "out")


@pytest.mark.parametrize("out", ["raw", "raw/deeper", "raw/../raw"])
def test_output_inside_the_raw_folder_is_refused(tmp_path: Path, out: str) -> None:
    raw = write(tmp_path / "raw", {"1.png": blob(1)})
    with pytest.raises(ConfigError, match="overlaps"):
        run(raw, tmp_path / out)
    assert digest(raw) == {"1.png": hashlib.sha256(blob(1)).hexdigest()}


def test_names_that_are_not_text(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"é.png": blob(1)})
    with open(os.fsencode(raw) + b"/\xff.png", "wb") as file:
        file.write(blob(2))
    run(raw, tmp_path / "out")
    assert sorted(ingested(tmp_path / "out")["path"].to_pylist()) == ["\\xff.png", "é.png"]


def test_metrics_hold_counts_only(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"a/1": blob(1), "b/2": blob(1), "b/3": b"bad", "b/.x": b""})
    metrics = run(raw, tmp_path / "out").metrics()
    assert json.loads(json.dumps(metrics)) == {
        "seen": 4,
        "accepted": 1,
        "duplicates": 1,
        "duplicates_across_classes": 1,
        "duplicates_across_splits": 0,
        "rejected": 2,
        "rejected_by_reason": {"hidden": 1, "not_an_image": 1},
        "removed": 0,
        "deep": 0,
        "blank": 0,
        "low_contrast": 0,
        "damaged_accepted": 0,
        "bytes": 2 * len(blob(1)) + 3,
        "classes": 2,
    }
