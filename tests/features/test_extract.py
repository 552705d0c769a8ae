"""The stage ``features``: what is computed, what is kept, what a kill costs."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ssgan.backbones import Network
from ssgan.config import DataConfig, FolderSource
from ssgan.data.decode import DecodeLimits
from ssgan.data.images import ingest
from ssgan.data.pools import WorkerKind
from ssgan.data.sources import make_source
from ssgan.errors import DataError
from ssgan.features import compute
from ssgan.features.compute import FeatureJob, FeaturePool, here
from ssgan.features.extract import FeatureSummary, extract
from ssgan.features.files import FeatureFiles
from ssgan.features.originals import Originals
from ssgan.features.parts import Parts
from tests.support.closure import ROOT
from tests.support.data import BACKBONE
from tests.support.features import ids_of, write_images

LIMITS = DecodeLimits.of(DataConfig())


class Counting(nn.Module):
    """Eight numbers of each channel; counts the images that it was given in a file, and stops at some number of them."""

    def __init__(self, file: Path, stop_at: int | None = None) -> None:
        super().__init__()
        self.file, self.stop_at = file, stop_at
        self.file.write_bytes(b"")
        self.register_buffer("anything", torch.zeros(1))

    @property
    def seen(self) -> int:
        return self.file.stat().st_size

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.stop_at is not None and self.seen >= self.stop_at:
            raise KeyboardInterrupt
        with self.file.open("ab") as file:
            file.write(bytes(len(x)))
        return [x[:, :, 0].flatten(1)]


def pool_of(trunk: nn.Module, kind: WorkerKind = "threads", workers: int = 1) -> FeaturePool:
    return here(lambda: Network(BACKBONE, trunk).eval(), kind=kind, workers=workers)


def job_of(folder: Path, views: int = 1) -> FeatureJob:
    """What is to be done, after an ingest."""
    source = make_source(FolderSource(path=str(folder / "raw")))
    ingest(source, DataConfig(image_size=8, channels=3), folder / "data")
    return FeatureJob(source, BACKBONE, views, LIMITS, 4)


def run(folder: Path, views: int = 1, stop_at: int | None = None, **workers: Any) -> tuple[FeatureSummary, Counting]:
    trunk, job = Counting(folder / "seen", stop_at), job_of(folder, views)
    return extract(job, folder / "data/index", folder / "features", pool_of(trunk, **workers)), trunk


def test_features_are_those_of_the_original_file(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(6))
    done, trunk = run(tmp_path)
    assert (done.images, done.computed, trunk.seen) == (6, 6, 6)
    files = FeatureFiles(str(tmp_path / "features"))
    path = tmp_path / "raw/003.png"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with Image.open(path) as image:
        middle = image.crop((2, 0, 14, 12)).resize((8, 8), Image.Resampling.BOX)
    row = (np.asarray(middle, np.float32)[0].T / 255 - 0.5) / 0.5
    found = files.read([digest])
    assert found.shape == (1, 1, BACKBONE.dimension)
    assert np.corrcoef(found[0, 0], row.reshape(-1))[0, 1] > 0.98, "another library resizes a little otherwise"


def test_only_new_images_are_read(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(9))
    run(tmp_path)
    before = FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path))
    first = ids_of(tmp_path)
    done, trunk = run(tmp_path)
    assert (done.computed, done.kept, trunk.seen) == (0, done.shards, 0)

    write_images(tmp_path / "raw", range(9, 12))
    done, trunk = run(tmp_path)
    assert (done.computed, trunk.seen) == (3, 3)
    assert np.array_equal(FeatureFiles(str(tmp_path / "features")).read(first), before)

    (tmp_path / "raw/000.png").unlink()
    done, trunk = run(tmp_path)
    assert (done.images, trunk.seen) == (11, 0)
    gone = next(one for one in first if one not in ids_of(tmp_path))
    with pytest.raises(DataError, match="1 image has no features"):
        FeatureFiles(str(tmp_path / "features")).read([gone])
    images, features = (
        sorted(path.name for path in (tmp_path / where).glob("*.parquet")) for where in ("data/images", "features")
    )
    assert images == features, "aligned, shard by shard"


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_stage_that_was_stopped_goes_on(kind: WorkerKind, tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(20))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=8, kind=kind)
    assert not list((tmp_path / "features").glob("*.parquet"))
    _, trunk = run(tmp_path)
    assert trunk.seen == 12, "what was computed is not computed again"
    whole = FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path))
    (tmp_path / "other/raw").parent.mkdir()
    (tmp_path / "raw").rename(tmp_path / "other/raw")
    run(tmp_path / "other")
    assert np.array_equal(FeatureFiles(str(tmp_path / "other/features")).read(ids_of(tmp_path)), whole)
    assert not list((tmp_path / "features").glob(".*")), "no part is left"


def test_rows_that_are_said_to_be_there_and_are_not_are_computed(tmp_path: Path) -> None:
    """Killed between the removal of two files, or cleaned up by somebody."""
    write_images(tmp_path / "raw", range(12))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=8)
    (part,) = (tmp_path / "features").glob(".*.part")
    part.unlink()
    _, trunk = run(tmp_path)
    assert trunk.seen == 12
    assert (np.abs(FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path))).max(axis=(1, 2)) > 0).all()


def test_views_are_functions_of_the_image(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(5))
    run(tmp_path, views=3)
    files = FeatureFiles(str(tmp_path / "features"))
    three = files.read(ids_of(tmp_path))
    assert three.shape[1] == 3
    assert not np.array_equal(three[:, 1], three[:, 2])
    run(tmp_path, views=1)  # another number of views is computed anew
    assert np.array_equal(FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path)), three[:, :1])
    (tmp_path / "raw/004.png").rename(tmp_path / "raw/zzz.png")
    (tmp_path / "features").rename(tmp_path / "old")
    run(tmp_path, views=3)
    again = FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path))
    assert np.array_equal(np.sort(again, 0), np.sort(three, 0)), "neither order nor name of a file counts"


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_an_original_that_is_no_longer_what_was_ingested_is_told(change: str, tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(3))
    job, path = job_of(tmp_path), tmp_path / "raw/001.png"
    if change == "gone":
        path.unlink()
    else:
        write_images(tmp_path / "more", range(7, 8))
        path.write_bytes((tmp_path / "more/007.png").read_bytes())
    with pytest.raises(DataError, match=r"'001\.png'.*since data/index was made; run `dvc repro ingest`"):
        extract(job, tmp_path / "data/index", tmp_path / "features", pool_of(Counting(tmp_path / "seen")))


def test_a_damaged_shard_is_told(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(8))
    run(tmp_path)
    ids = ids_of(tmp_path)
    (shard,) = (tmp_path / "features").glob("*.parquet")
    row = FeatureFiles(str(tmp_path / "features")).read(ids[:1]).tobytes()
    data = bytearray(shard.read_bytes())
    data[data.index(row)] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(DataError, match="is damaged"):
        FeatureFiles(str(tmp_path / "features")).read(ids)


KILLED = """
import os, sys, torch
from pathlib import Path
from ssgan.backbones import Network
from ssgan.config import FolderSource
from ssgan.data.sources import make_source
from ssgan.features import compute
from ssgan.features.compute import here
from ssgan.features.extract import extract
from tests.features.test_extract import BACKBONE, Counting, FeatureJob, LIMITS
folder = Path(sys.argv[1])
torch.set_num_threads(2)
torch.nn.functional.conv2d(torch.ones(4, 3, 64, 64), torch.ones(8, 3, 3, 3))  # threads that a fork does not have
job = FeatureJob(make_source(FolderSource(path=str(folder / "raw"))), BACKBONE, 1, LIMITS, 4)
def look(done, total):
    if done >= int(sys.argv[2]):
        os.kill(os.getpid(), 9)
trunk = Counting(folder / "seen")
pool = here(lambda: Network(BACKBONE, trunk).eval(), kind="processes", workers=2)
print(extract(job, folder / "data/index", folder / "features", pool, look).computed)
"""


def test_processes_that_were_killed_leave_what_they_had(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", range(60))
    job_of(tmp_path)
    for stop_at, left in ((20, 60), (16, 40), (999, 24)):
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(stop_at)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == ((-9, "") if left > 24 else (0, f"{left}\n")), done.stderr
    _, trunk = run(tmp_path)
    assert trunk.seen == 0, "nothing is left to do"
    computed = FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path))
    (tmp_path / "features").rename(tmp_path / "old")
    run(tmp_path)
    assert np.array_equal(FeatureFiles(str(tmp_path / "features")).read(ids_of(tmp_path)), computed)


def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    class Killer(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            os._exit(9)

    write_images(tmp_path / "raw", range(9))
    job = job_of(tmp_path)
    pool = pool_of(Killer(), "processes", 2)
    with pytest.raises(DataError, match=r"was killed, probably because memory ran out"):
        extract(job, tmp_path / "data/index", tmp_path / "features", pool)


def test_many_files_are_listed_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a file until it is read does not depend on its name."""
    write_images(tmp_path / "raw", range(2))
    job_of(tmp_path)
    count = 100_000
    ids = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    monkeypatch.setattr(Originals, "_paths", lambda self, name, rows: [f"{'x' * 100}{row}" for row in rows])
    parts = Parts(tmp_path, {"00000.parquet": ids}, 2)
    tracemalloc.start()
    originals = Originals(tmp_path / "data/index", parts)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert originals.total == count
    assert kept / count < 60


@pytest.mark.parametrize(
    ("provider", "device", "kind", "turns"),
    [("timm", "cpu", "processes", 3), ("onnx", "cpu", "threads", 1), ("timm", "cuda", "threads", 1)],
)
def test_what_a_fork_would_break_is_shared_by_threads_in_turns(
    provider: str, device: str, kind: str, turns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    @contextlib.contextmanager
    def local_pool(*given: Any) -> Iterator[None]:
        seen.extend(given)
        yield

    for name, value in {"local_pool": local_pool, "may_fork": lambda source: True, "cores": lambda: 3}.items():
        monkeypatch.setattr(compute, name, value)
    write_images(tmp_path / "raw", range(1))
    job = job_of(tmp_path)._replace(backbone=dataclasses.replace(BACKBONE, provider=provider), batch=None)
    with here(lambda: cast(Network, SimpleNamespace(to=lambda device: None)), device)(job):
        worker, got, count, batch = seen
    assert (got, count, batch) == (kind, 3, 64 if device == "cuda" else 4)
    assert worker.turns._value == turns
