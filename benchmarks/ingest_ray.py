"""``ingest`` by the tasks of a local two-node Ray cluster, against the same machine's own workers, on the same files.

Called by ``python -m benchmarks.ingest --png FOLDER --ray``. Every run is a process of its own; memory is the PSS of that
process (the driver) and of the processes that decode, sampled while it runs. Both nodes share the cores of one machine, so
the rates show what Ray costs, not what a second machine gains.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from infra.cluster.nodes import local_cluster
from ssgan.config import DataConfig, FolderSource
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.machine import cores

SAMPLE_S = 0.1
MIB = 1 << 20
SHARD_BYTES = 8 * MIB  # many shards, so that memory which grows with the images could be told from the buffer of one
PARTS = 4  # of a run; memory is told for each


class Sample(NamedTuple):
    """Bytes of PSS at one time."""

    at: float
    driver: int
    workers: int


def run_one(folder: str, size: int, workers: str, out: str) -> dict[str, Any]:
    """One ingest in this process: counts, seconds, and the CPU seconds of this process after the first batch."""
    source = FolderSource(path=folder)
    remote_pool = None
    if workers == "ray":
        from ssgan.data.on_ray import ray_pool

        remote_pool = ray_pool(source)
    first: list[tuple[int, float, float]] = []

    def note(seen: int) -> None:
        if not first:
            first.append((seen, time.monotonic(), time.process_time()))

    start = time.monotonic()
    config = DataConfig(image_size=size, shard_bytes=SHARD_BYTES)
    summary = ingest(make_source(source), config, Path(out), progress=note, remote_pool=remote_pool)
    seen, at, cpu = first[0]
    end, left = time.monotonic(), summary.seen - seen
    return {
        "images": summary.seen,
        "seconds": end - start,
        "first_at": at,
        "rate_after_first": left / (end - at),
        "driver_us": (time.process_time() - cpu) / left * 1e6,
    }


def measured(folder: str, size: int, workers: str, out: str, cluster: psutil.Process) -> tuple[dict[str, Any], list[Sample]]:
    """``run_one`` in a fresh process, and what it and its workers held from the first batch on."""
    command = [sys.executable, "-m", "benchmarks.ingest_ray", folder, str(size), workers, out]
    samples: list[Sample] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        driver = psutil.Process(child.pid)
        while child.poll() is None:
            own = driver.children(recursive=True) if workers == "local" else _ray_workers(cluster)
            samples.append(Sample(time.monotonic(), _pss([driver]), _pss(own)))
            time.sleep(SAMPLE_S)
        assert child.stdout
        answer: dict[str, Any] = json.loads(child.stdout.read())
    return answer, [sample for sample in samples if sample.at > answer["first_at"]]


def _ray_workers(cluster: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in cluster.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] in (["ray::ray_ingest_task"], ["ray::IDLE"]):
                found.append(process)
    return found


def _pss(processes: list[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def peaks(samples: list[Sample], who: str) -> str:
    """The highest value in every part of the run, in MiB."""
    size = max(1, -(-len(samples) // PARTS))
    parts = [samples[i : i + size] for i in range(0, len(samples), size)]
    return ", ".join(f"{max(getattr(sample, who) for sample in part) / MIB:.0f}" for part in parts)


def digest(folder: str) -> str:
    """One hash of all files below a folder."""
    found = hashlib.sha256()
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        found.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def compare(folder: str, size: int, rounds: int) -> None:
    """Print rates, memory and whether the bytes agree."""
    print(f"\nPNG to {size} x {size} gray, {cores()} cores, two Ray nodes with one CPU each, {rounds} interleaved rounds")
    with local_cluster() as cluster, tempfile.TemporaryDirectory() as out:
        os.environ["RAY_ADDRESS"] = cluster.ray_address
        hashes = set()
        for number in range(rounds):
            for workers in ("local", "ray"):
                answer, samples = measured(folder, size, workers, f"{out}/{number}-{workers}", psutil.Process())
                hashes.add(digest(f"{out}/{number}-{workers}"))
                print(
                    f"  {workers:<6}{answer['images']} images in {answer['seconds']:.1f} s, "
                    f"{answer['images'] / answer['seconds']:,.0f} images/s; after the first batch "
                    f"{answer['rate_after_first']:,.0f} images/s, CPU of the driver {answer['driver_us']:.1f} us/image\n"
                    f"        peak PSS in each quarter, MiB: driver {peaks(samples, 'driver')}; "
                    f"workers {peaks(samples, 'workers')}",
                    flush=True,
                )
    print(f"  bytes: {'identical' if len(hashes) == 1 else 'DIFFERENT'} over {2 * rounds} runs")


if __name__ == "__main__":
    print(json.dumps(run_one(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])))
