"""What an ingest after an earlier one reads and decodes: only what is new, has changed, or cannot be trusted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssgan.config import MIB
from ssgan.data import batches, images, recipe
from ssgan.data.images import ingest
from ssgan.data.sources import Item, listing
from ssgan.data.sources import folder as folder_source
from ssgan.data.sources.folder import Folder
from tests.support.delta import STORE, run, work
from tests.support.images import CONFIG, blob, digest, ingested, many, write

pytestmark = pytest.mark.usefixtures("settled")


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
