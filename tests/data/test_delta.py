"""An ingest after an earlier one: only what is new is decoded, and nothing but the layout of shards tells the two apart."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.config import MIB, DataConfig, SplitConfig
from ssgan.data import batches, earlier, images, recipe, workers
from ssgan.data.files import SplitFiles
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.schema import SETS
from ssgan.data.sources import Item, listing
from ssgan.data.sources import folder as folder_source
from ssgan.data.sources.folder import Folder
from ssgan.data.splits import split
from ssgan.errors import DataError
from tests.support.images import CONFIG, blob, digest, ingested, many, rows, write


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of these tests are trusted from the moment they were written."""
    monkeypatch.setattr(folder_source, "RACY_NS", -(10**12))


def run(raw: Path, out: Path, config: DataConfig = CONFIG, **options: Any) -> IngestSummary:
    return ingest(Folder(str(raw), "classes"), config, out, **options)


def work(summary: IngestSummary) -> tuple[int, int]:
    return summary.read, summary.decoded


STORE = ("images", "index")


def shards(out: Path) -> dict[str, str]:
    return {name: value for name, value in digest(out).items() if name.startswith("images/")}


def test_what_is_there_is_neither_read_nor_decoded_and_its_shards_keep_their_bytes(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(50) | {"a/bad": b"text", "a/twin.png": blob(1), "b/.hidden": b""}), tmp_path / "out"
    assert work(run(raw, out)) == (52, 51)
    before, inodes = digest(out), {p.name: p.stat().st_ino for p in (out / "images").iterdir()}
    summary = run(raw, out)
    assert work(summary) == (0, 0)
    assert digest(out) == before
    write(raw, {"a/new.png": blob(777), "b/0001-new.png": blob(778)})
    summary = run(raw, out)
    assert (*work(summary), summary.shards, summary.shards_kept) == (2, 2, 2, 1)
    assert digest(out)["images/00000.parquet"] == before["images/00000.parquet"]
    assert (out / "images/00000.parquet").stat().st_ino == inodes["00000.parquet"]  # so that DVC does not hash it again


def test_without_the_index_files_are_read_and_not_decoded(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(20)), tmp_path / "out"
    run(raw, out)
    before = digest(out)
    spoils: list[Callable[[Path], object]] = [Path.unlink, lambda path: path.write_bytes(b"PAR1 and no more")]
    for spoil in spoils:
        spoil(out / images.INDEX)
        assert work(run(raw, out)) == (20, 0)
        assert digest(out) == before
    shutil.move(raw, tmp_path / "moved")
    assert work(run(tmp_path / "moved", out)) == (20, 0)


def test_an_index_of_other_shards_is_no_proof_that_an_image_is_there(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(6)), tmp_path / "out"
    run(raw, out)
    whole = digest(out)
    kept = tmp_path / "older"
    for name in STORE:
        shutil.copytree(out / name, kept / name)
    write(raw, many(3, 6))
    run(raw, out)
    for name in STORE:
        shutil.rmtree(out / name)
        shutil.move(kept / name, out / name)  # `dvc checkout` of an earlier state
    assert work(run(raw, out)) == (3, 3)
    for name in STORE:
        shutil.rmtree(out / name)
        assert work(run(raw, out)) == (9, 9)
    for path in list(raw.rglob("000[678].png")):
        path.unlink()
    shutil.rmtree(out / "images")
    run(raw, out)
    assert digest(out) == whole


def test_only_what_differs_is_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes an unchanged file cheap; without the index, too. Each run: how many are looked at, how many are read."""
    raw, out = write(tmp_path / "raw", many(50) | {"a/bad": b"text", "a/twin.png": blob(2)}), tmp_path / "out"
    seen: list[str] = []
    real = images._IngestOutputs._is_new

    def is_new(self: Any, item: Item, *more: Any) -> bool:
        seen.append(item.path)
        return real(self, item, *more)

    monkeypatch.setattr(images._IngestOutputs, "_is_new", is_new)
    run(raw, out)
    assert len(seen) == 52
    alike = ["a/0002.png", "a/bad", "a/twin.png"]
    befores: list[Callable[[], None]] = [lambda: None, (out / images.INDEX).unlink]
    for before in befores:
        seen.clear()
        before()
        run(raw, out)
        assert seen == alike
    write(raw, {"b/0000-new.png": blob(77), "a/0000-again.png": blob(5)})
    seen.clear()
    assert work(run(raw, out)) == (2, 1)
    assert seen == ["a/0000-again.png", *alike, "b/0000-new.png", "b/0005.png"]


TWICE = """
import sys
from pathlib import Path
from ssgan.config import DataConfig
from ssgan.data.images import ingest
from ssgan.data.sources import folder
from ssgan.data.sources.folder import Folder
folder.RACY_NS = -(10**12)
for _ in range(2):
    ingest(Folder(sys.argv[1], "classes"), DataConfig(image_size=8, channels=1), Path(sys.argv[2]))
assert "pandas" not in sys.modules
"""


def test_it_does_not_import_pandas(tmp_path: Path) -> None:
    """That takes longer than ten thousand unchanged files; much of pyarrow does it unasked."""
    raw = write(tmp_path / "raw", many(6) | {"a/bad": b"text"})
    subprocess.run([sys.executable, "-c", TWICE, raw, tmp_path / "out"], check=True)


def test_another_layout_is_seen_in_files_that_have_not_changed(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(20)), tmp_path / "out"
    run(raw, out)
    assert work(ingest(Folder(str(raw), "flat"), CONFIG, out)) == (0, 0)
    assert set(ingested(out)["folder_class"].to_pylist()) == {None}
    ingest(Folder(str(raw), "flat"), CONFIG, tmp_path / "fresh")
    assert digest(out) == digest(tmp_path / "fresh")


def test_names_of_any_bytes_are_remembered(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(4)), tmp_path / "out"
    for name in (b"\xff.png", b"z\xc3\xa9.png", b"\xed\xb3\xbf.png"):
        (raw / "a" / os.fsdecode(name)).write_bytes(blob(20 + name[0]))
    assert work(run(raw, out)) == (7, 7)
    before = digest(out)
    assert work(run(raw, out)) == (0, 0)
    assert digest(out) == before


@given(known=st.lists(st.sampled_from([batches.TO_READ, 5]), min_size=1, max_size=40), size=st.integers(1, 9))
def test_a_batch_is_cut_by_what_has_to_be_read(known: list[int], size: int) -> None:
    files = listing.of_items([Item(str(i)) for i in range(len(known))])
    parts = list(batches.FileBatch(files, np.array(known)).cut(size))
    assert [path for part in parts for path in part.files.paths] == files.paths
    assert [one for part in parts for one in part.known.tolist()] == known
    assert all(part.files.paths and len(part.unread) <= size for part in parts)
    assert all(len(part.unread) == size for part in parts[:-1])


CHANGES = {
    "size": lambda c: c.model_copy(update={"image_size": 12}),
    "limits": lambda c: c.model_copy(update={"max_pixels": 10**6}),
    "shard_bytes": lambda c: c.model_copy(update={"shard_bytes": 2 * MIB}),
}


@pytest.mark.parametrize("what", [*CHANGES, "code", "library"])
def test_another_recipe_decodes_all_again(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, out, config = write(tmp_path / "raw", many(10) | {"a/bad": b"text"}), tmp_path / "out", CONFIG
    run(raw, out)
    if what == "code":
        monkeypatch.setattr(recipe, "_code", lambda: "0" * 64)
    elif what == "library":
        monkeypatch.setattr(recipe, "version", lambda name: "0.0.1")
    else:
        config = CHANGES[what](CONFIG)
    assert work(run(raw, out, config)) == ((0, 0) if what == "shard_bytes" else (11, 10))
    run(raw, tmp_path / "fresh", config)
    assert digest(out) == digest(tmp_path / "fresh")


def test_a_changed_file_is_seen_also_if_its_size_and_mtime_are_set_back(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", {"a/1.png": blob(1), "a/2.png": blob(2)}), tmp_path / "out"
    run(raw, out)
    path, other = raw / "a/1.png", bytearray(blob(1))
    other += b"!"
    times = path.stat()
    path.write_bytes(bytes(other)[:-1] + b"")  # the same bytes, written anew
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert work(run(raw, out)) == (1, 0)
    path.write_bytes(blob(3)[: times.st_size].ljust(times.st_size, b"\0"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(raw, out).read == 1


def test_a_file_that_has_just_changed_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_source, "RACY_NS", 2 * 10**9)
    raw, out = write(tmp_path / "raw", many(4)), tmp_path / "out"
    run(raw, out)
    assert work(run(raw, out)) == (4, 0)


def test_a_stamp_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that keeps no times: one file of CHECK is read, and if it has changed, all are."""
    monkeypatch.setattr(folder_source, "_numbers", lambda found: (found.st_mode, 1, 0, 0, 0))
    monkeypatch.setattr("ssgan.data.ingest_index.CHECK", 5)
    raw, out = write(tmp_path / "raw", {f"a/{i}.png": blob(i) for i in range(5)}), tmp_path / "out"
    run(raw, out)
    assert work(run(raw, out)) == (1, 0)  # the one that is checked
    for i in range(5):
        (raw / f"a/{i}.png").write_bytes(blob(100 + i))
    summary = run(raw, out)
    assert work(summary) == (5, 5)
    assert "has changed, but its size and times have not, so all files were read" in summary.notes[-1]
    run(raw, tmp_path / "fresh")
    assert ingested(out).equals(ingested(tmp_path / "fresh"))


files = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.integers(0, 30)).map(lambda key: f"{key[0]}/{key[1]:02d}"),
    st.sampled_from([*range(12), "bad", "cut"]),
    max_size=25,
)


def content(value: Any) -> bytes:
    return b"text" if value == "bad" else blob(1)[:50] if value == "cut" else blob(value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(files, min_size=1, max_size=4),
    removed=st.lists(st.sets(st.integers(0, 11)), min_size=4, max_size=4),
    longest=st.sampled_from([1, 5, listing.LONGEST_BATCH]),
)
def test_any_history_ends_with_what_a_fresh_ingest_makes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], removed: list[set[int]], longest: int
) -> None:
    """Files come, go, change, move, and are removed on request: tables, rows and what all splits show are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "LONGEST_BATCH", longest)
        _history(tmp_path_factory, steps, removed)


def _history(tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], removed: list[set[int]]) -> None:
    root = tmp_path_factory.mktemp("history")
    always = {f"{c}/always-{i}": 100 + i for i, c in enumerate("abab" * 5)}
    metrics: dict[str, Any] = {}
    gone: frozenset[bytes] = frozenset()
    for step, tombs in zip(steps, removed, strict=False):
        shutil.rmtree(root / "raw", ignore_errors=True)
        write(root / "raw", {name: content(value) for name, value in (always | step).items()})
        gone = frozenset(sha(content(value)) for value in tombs)
        metrics = run(root / "raw", root / "out", TINY, removed=gone).metrics()
        splits(root / "out")
    assert run(root / "raw", root / "fresh", TINY, removed=gone).metrics() == metrics
    splits(root / "fresh")
    for name in ("rejected.parquet", "duplicates.parquet"):
        assert (root / "out" / name).read_bytes() == (root / "fresh" / name).read_bytes()
    tables = [ingested(root / which).sort_by("id") for which in ("out", "fresh")]
    assert tables[0].equals(tables[1])
    texts = [{path.name: path.read_text() for path in (root / which / "splits").glob("*.json")} for which in ("out", "fresh")]
    assert texts[0] == texts[1]
    assert seen(root / "out/splits") == seen(root / "fresh/splits")


TINY = CONFIG.model_copy(update={"shard_bytes": 8 * 64})  # eight images in a shard


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def seen(folder: Path) -> list[list[str]]:
    """Ids of all sets, in the order in which a run sees them; none where there was no split."""
    files = SplitFiles(str(folder))
    return [files.ids(name) for name in SETS] if (folder / "test.parquet").exists() else []


def splits(out: Path) -> None:
    config = SplitConfig(mode="benchmark", num_labels=2, on_conflict="drop", val_fraction=0.2, test_fraction=0.4)
    try:
        split(out, out / "splits", config, out / "duplicates.parquet", None)
    except DataError as error:  # too few images for that
        (out / "splits").mkdir(exist_ok=True)
        (out / "splits" / "split.json").write_text(str(error))


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
