"""The marks of the cluster's benchmark: who notes what, and what is made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.on_cluster import marks
from benchmarks.on_cluster.stall import Slow
from benchmarks.on_cluster.world import read_marks
from ssgan.storage.store import open_store


def test_marks_are_made_in_order_and_once(tmp_path: Path) -> None:
    package = tmp_path / "ssgan/training"
    package.mkdir(parents=True)
    (package / "step.py").write_text("def run_step():\n    return 5\n")
    (package / "loop.py").write_text(
        "from ssgan.training.step import run_step\n\n\ndef fit():\n    return run_step() + run_step()\n"
    )
    shutil.copy(marks.__file__, tmp_path / "sitecustomize.py")
    record = tmp_path / "marks"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), marks.VARIABLE: str(record)}
    code = "from ssgan.training.loop import fit; assert fit() == 10"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=tmp_path)
    assert [json.loads(line)["name"] for line in record.read_text().splitlines()] == ["data read", "first step"]


def test_the_versions_are_told_apart_by_process(tmp_path: Path) -> None:
    lines = [("versions compared", 12.0, 1), ("worker up", 15.0, 2), ("versions compared", 16.0, 2), ("first step", 19.0, 2)]
    record = tmp_path / "marks"
    record.write_text("".join(json.dumps({"name": n, "at": at, "pid": pid}) + "\n" for n, at, pid in lines))
    expected = {"versions compared": 2.0, "worker up": 5.0, "versions compared (worker)": 6.0, "first step": 9.0}
    assert read_marks(record, 10.0) == expected


def test_a_slow_store_takes_as_long_as_its_rate_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=slept.append)
    monkeypatch.setattr("benchmarks.on_cluster.stall.time", clock)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(b"x" * 3000)
    store = Slow(open_store(str(tmp_path / "store")), 1000.0)
    store.put(tmp_path / "folder", "checkpoints/one")
    assert (slept, store.sizes) == ([3.0], [3000])
    assert store.keys("checkpoints") == ["checkpoints/one"]
