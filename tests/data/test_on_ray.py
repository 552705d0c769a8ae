"""Ingest over a Ray cluster of two nodes, with real processes: the bytes of one machine, also when a worker or node is lost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from infra.cluster.nodes import Nodes
from ssgan.cli.app import INTERRUPTED
from ssgan.cluster import tasks
from ssgan.config import DataConfig, FolderSource, ImageSpec
from ssgan.data import on_ray as ray_ingest
from ssgan.data import remote as ray_ingest_task
from ssgan.data.decode import DecodeLimits
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.sources import make_source
from ssgan.data.workers import WORTH_FORKING, DecodeJob, prepared
from ssgan.errors import ConfigError, DataError
from tests.support.closure import ROOT
from tests.support.images import blob, digest, mixture, write
from tests.support.ray_cluster import WORKER
from tests.support.stage import stage

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CONFIG = DataConfig(image_size=8)
LIMITS = DecodeLimits(10**6, 10**8)


@pytest.fixture
def nodes(ray_nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """A cluster of two, where a task gets five files, so that there are many."""
    monkeypatch.setattr(ray_ingest, "BATCH_FILES", 5)
    return ray_nodes


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 small files that take some 20 ms each to decode, and a damaged one."""
    raw = tmp_path_factory.mktemp("slow")
    pixels = np.zeros((2500, 2500), np.uint8)
    for n in range(150):
        pixels[0, 0] = n
        Image.fromarray(pixels).save(raw / f"{n:03d}.png", compress_level=1)
    (raw / "cut.png").write_bytes((raw / "000.png").read_bytes()[:500])
    return raw


def on_ray(raw: Path, out: Path, **options: Any) -> IngestSummary:
    source = FolderSource(path=str(raw))
    return ingest(make_source(source), CONFIG, out, remote_pool=ray_ingest.ray_pool(source), **options)


def here(raw: Path, out: Path) -> dict[str, str]:
    ingest(make_source(FolderSource(path=str(raw))), CONFIG, out)
    return digest(out)


def at_work() -> list[psutil.Process]:
    """Processes, started by this one, that run a task now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == ["ray::ray_ingest_task"]:
                found.append(process)
    return found


@contextlib.contextmanager
def watching(see: Any) -> Iterator[None]:
    """Inside, a thread hands the processes at work to ``see``, again and again."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            see(at_work())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_two_nodes_share_the_work(nodes: Nodes, slow: Path, tmp_path: Path) -> None:
    seen: set[int] = set()
    with watching(lambda found: seen.update(process.ppid() for process in found if process.is_running())):
        summary = on_ray(slow, tmp_path / "ray")
    assert (summary.accepted, summary.rejected) == (150, {"truncated": 1})
    assert len(seen) == 2


def test_what_is_wrong_with_files_ends_up_in_the_same_bytes(nodes: Nodes, tmp_path: Path) -> None:
    raw = mixture(tmp_path / "raw")
    summary = on_ray(raw, tmp_path / "ray")
    assert digest(tmp_path / "ray") == here(raw, tmp_path / "here")
    assert summary.duplicates == 9
    assert {"animated", "empty", "hidden", "not_an_image"} < set(summary.rejected)
    rejected = pq.read_table(tmp_path / "ray/rejected.parquet").to_pylist()
    assert ("a/moving.gif", "animated") in {(row["path"], row["reason"]) for row in rejected}


def test_the_stage_does_the_same_where_params_ask_for_ray(nodes: Nodes, tmp_path: Path) -> None:
    mixture(tmp_path / "raw")
    found = []
    for workers in ("local", "ray"):
        source = f"{{kind: folder, path: {tmp_path / 'raw'}}}"
        folder = write(
            tmp_path / workers,
            {"params.yaml": f"data: {{source: {source}, image_size: 8, workers: {workers}}}\n".encode()},
        )
        done = stage(folder, RAY_ADDRESS=nodes.ray_address)
        assert (done.returncode, done.stderr) == (0, "")
        found.append(digest(folder / "data") | digest(folder / "metrics"))
    assert found[0] == found[1]
    assert len(found[0]) == 5


def test_a_killed_worker_loses_nothing(nodes: Nodes, slow: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(found: list[psutil.Process]) -> None:
        for process in found[: 1 - len(killed)]:
            process.kill()
            killed.append(process.pid)

    with watching(kill_one):
        on_ray(slow, tmp_path / "ray")
    assert killed
    assert digest(tmp_path / "ray") == here(slow, tmp_path / "here")


def test_a_task_that_is_lost_every_time_is_an_error_that_names_its_files(
    nodes: Nodes, slow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "RETRIES", 1)
    sentence = r"5 files from '\d+\.png' to '\d+\.png' was lost 2 times .* lower data\.max_pixels"
    with watching(lambda found: [process.kill() for process in found]), pytest.raises(DataError, match=sentence):
        on_ray(slow, tmp_path / "ray")
    assert list((tmp_path / "ray").iterdir()) == []


def test_code_that_fails_is_an_error_that_names_the_files(nodes: Nodes, tmp_path: Path) -> None:
    source = FolderSource(path=str(write(tmp_path, {f"{n}.png": blob(n) for n in range(7)})))
    job = DecodeJob(make_source(source), ImageSpec(2, 8, "fit"), LIMITS)  # nothing decodes to two channels
    with pytest.raises(DataError, match=r"5 files from '0\.png' to '4\.png' failed \(ValueError: .*set data.workers to local"):
        list(prepared(job, remote_pool=ray_ingest.ray_pool(source)))


def test_a_folder_that_a_node_does_not_share_is_an_error_with_a_remedy(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_ingest_task, "folder_identity", lambda source: ("another machine", 1, 2))  # of the driver only
    raw = write(tmp_path / "raw", {"1.png": blob(1)})
    with pytest.raises(ConfigError, match=r"data\.source\.path is '.*raw', which the Ray node .* does not share .*s3://"):
        on_ray(raw, tmp_path / "ray")


@pytest.mark.parametrize("workers", ["local", "ray"])
def test_sigterm_ends_the_stage_with_a_word_and_leaves_nothing(
    ray_nodes: Nodes, slow: Path, tmp_path: Path, workers: str
) -> None:
    raw = write(tmp_path / "raw", {f"{n}.txt": b"" for n in range(WORTH_FORKING)})  # so that `local` forks
    for path in slow.iterdir():
        os.link(path, raw / path.name)
    params = f"data: {{source: {{kind: folder, path: raw}}, image_size: 8, max_pixels: 10000000, workers: {workers}}}\n"
    write(tmp_path, {"params.yaml": params.encode()})
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": ray_nodes.ray_address}
    command = [sys.executable, "-m", "ssgan", "ingest"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and not list(tmp_path.glob("data/.ingest-*/images")):
            time.sleep(0.01)
        started = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
        said = running.communicate(timeout=30)[1]
    assert (running.returncode, said) == (130, f"{INTERRUPTED}\n")
    assert list((tmp_path / "data").iterdir()) == []
    assert not psutil.wait_procs(started, timeout=5)[1]


MEMORY = """
import sys
from pathlib import Path
from ssgan.config import DataConfig, FolderSource
from ssgan.data.images import ingest
from ssgan.data.on_ray import ray_pool
from ssgan.data.sources import make_source
peak, source = 0, FolderSource(path=sys.argv[1])
def look(seen):
    global peak
    lines = open("/proc/self/status").read().splitlines()
    peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
config = DataConfig(image_size=64, channels=3, shard_bytes=1 << 20)
ingest(make_source(source), config, Path(sys.argv[2]), progress=look, remote_pool=ray_pool(source))
print(peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_memory_of_the_driver_does_not_grow_with_the_number_of_images(nodes: Nodes, tmp_path: Path) -> None:
    peaks = []
    for count in (1000, 4000):  # 37 MB more pixels
        head = b"P6 64 64 255\n"
        raw = write(tmp_path / str(count), {f"{n}": head + n.to_bytes(4, "big") + bytes(64 * 64 * 3 - 4) for n in range(count)})
        command = [sys.executable, "-c", MEMORY, str(raw), str(tmp_path / f"out-{count}")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 15 * 1024  # KiB


def test_a_lost_node_loses_nothing(nodes: Nodes, slow: Path, tmp_path: Path) -> None:
    removed: list[float] = []

    def remove(seen: int) -> None:
        if seen >= 50 and not removed:
            removed.append(time.monotonic())
            nodes.kill(WORKER)

    on_ray(slow, tmp_path / "ray", progress=remove)
    assert removed
    assert digest(tmp_path / "ray") == here(slow, tmp_path / "here")
