"""Who does the work of ingest: threads or processes, how many files are in flight, what it takes of memory, a killed one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssgan.data import pools, workers
from ssgan.data.sources import Item
from ssgan.data.sources.folder import Folder
from ssgan.errors import DataError
from tests.support.images import blob, digest, run, write


def test_a_killed_worker_is_an_error_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(tmp_path / "raw", {f"{n}": blob(n) for n in range(20)})
    monkeypatch.setattr(Folder, "read", lambda *_: os._exit(9))
    with pytest.raises(DataError, match="killed"):
        run(raw, tmp_path / "out", kind="processes", workers=2)


def test_many_files_go_to_processes_and_few_to_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    pool = pools.local_pool  # always threads here: other tests may have left threads, beside which nobody may fork

    def threads(work: Any, kind: str, *rest: Any) -> Any:
        seen.append(kind)
        return pool(work, "threads", *rest)

    monkeypatch.setattr(workers, "local_pool", threads)
    monkeypatch.setattr(pools, "cores", lambda: 2)
    monkeypatch.setattr(workers, "WORTH_FORKING", 10)
    monkeypatch.setattr("threading.active_count", lambda: 1)
    raw = write(tmp_path / "raw", {f"{n}": blob(n) for n in range(9)})
    run(raw, tmp_path / "out")
    run(write(raw, {"last": blob(99)}), tmp_path / "out")
    monkeypatch.setattr("threading.active_count", lambda: 2)  # a lock of another thread would stay locked in a fork
    run(raw, tmp_path / "out")
    monkeypatch.undo()
    assert seen == ["threads", "processes", "threads"]


def test_a_pool_is_given_no_more_than_it_allows_and_results_keep_their_order(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {f"{n:03d}": blob(n % 30) for n in range(50)})  # of twins, the first is kept
    begun, in_flight, most = 0, 0, 0

    @contextlib.contextmanager
    def remote_pool(job: workers.DecodeJob) -> Iterator[workers.IngestPool]:
        def begin(items: list[Item]) -> Callable[[], workers.Prepared]:
            nonlocal begun, in_flight, most
            begun, in_flight = begun + 1, in_flight + 1
            most = max(most, in_flight)
            return lambda: finish(items)

        def finish(items: list[Item]) -> workers.Prepared:
            nonlocal in_flight
            in_flight -= 1
            return workers.prepare(job, items)

        yield pools.WorkerPool(begin, lambda: 3, batch_files=4)

    run(raw, tmp_path / "other", remote_pool=remote_pool)
    assert (begun, most, in_flight) == (13, 3, 0)
    run(raw, tmp_path / "one")
    assert digest(tmp_path / "one") == digest(tmp_path / "other")


MEMORY = """
import sys
from pathlib import Path
from ssgan.config import DataConfig
from ssgan.data.images import ingest
from ssgan.data.sources.folder import Folder
config = DataConfig(image_size=64, channels=3, shard_bytes=1 << 20)
ingest(Folder(sys.argv[1]), config, Path(sys.argv[2]), workers=2, kind="threads")
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def peak_memory(raw: Path, out: Path) -> int:
    """KiB of a process that ingests ``raw``. Not ru_maxrss: a child inherits that of the process that started it."""
    result = subprocess.run([sys.executable, "-c", MEMORY, raw, out], capture_output=True, text=True, check=True)
    return int(result.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    def bmp(n: int) -> bytes:
        return b"P6 64 64 255\n" + n.to_bytes(4, "big") + bytes(64 * 64 * 3 - 4)

    few = write(tmp_path / "few", {f"{n}": bmp(n) for n in range(1000)})
    many = write(tmp_path / "many", {f"{n}": bmp(n) for n in range(4000)})  # 37 MB more pixels
    growth = peak_memory(many, tmp_path / "b") - peak_memory(few, tmp_path / "a")
    assert growth < 15 * 1024
