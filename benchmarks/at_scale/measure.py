"""Time and memory for each image where our own code holds something for every image: driver of ingest, split, pool, footers.

Each measurement runs in a process of its own; memory is the highest anonymous memory (pages of mapped files do not count),
less what the process had before. Rows are made up: random ids and 8 x 8 pixels. Run by ``python -m benchmarks.scale measure``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.config import DataConfig, ImageSpec, SplitConfig
from ssgan.data.decode import Header
from ssgan.data.images import ingest
from ssgan.data.pools import WorkerPool
from ssgan.data.signatures import signatures
from ssgan.data.sources import Item
from ssgan.data.workers import DecodeJob, IngestPool, Prepared

SPEC = ImageSpec(1, 8, "fit")
CLASSES = 10
WIDE_ROWS = 10_000
SAMPLE_S = 0.01


def anonymous_bytes() -> int:
    """Anonymous memory of this process."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0]) << 10


class Peak:
    """Inside ``with``: the highest anonymous memory, less that at the start; seconds."""

    def __enter__(self) -> Peak:
        self._before = self._highest = anonymous_bytes()
        self._stop, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._highest = max(self._highest, anonymous_bytes())

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self._stop.set()
        self._thread.join()
        self.bytes = max(self._highest, anonymous_bytes()) - self._before


class MadeUp:
    """A source of ``n`` files that are never read; paths of 40 characters, class folders."""

    folder, threads, name = None, 0, "made up"
    notes: tuple[str, ...] = ()

    def __init__(self, n: int) -> None:
        self.n = n

    def classes(self) -> list[str]:
        return [f"class-{k}" for k in range(CLASSES)]

    def items(self) -> Iterator[Item]:
        for i in range(self.n):
            yield Item(f"class-{i % CLASSES}/2026/camera-07/frame-{i:012d}.jpg", 2000, f"class-{i % CLASSES}")

    def read(self, item: Item, max_bytes: int) -> bytes:
        raise AssertionError("made-up files are never read")


@contextmanager
def no_workers(job: DecodeJob) -> Iterator[IngestPool]:
    """Batches come ready: what is left is the driver's own work."""
    random = np.random.default_rng(0)

    def begin(items: list[Item]) -> Callable[[], Prepared]:
        n = len(items)
        digests = random.integers(0, 256, (n, 32), np.uint8).tobytes()
        pixels = random.integers(0, 256, (n, *job.spec.shape), np.uint8)
        return lambda: Prepared(
            list(range(n)),
            [Header(400, 300, "RGB")] * n,
            pixels,
            signatures(pixels)._replace(phash=random.integers(0, 1 << 63, n).astype(np.uint64)),
            [],
            [(digests[32 * i : 32 * i + 32], 2000) for i in range(n)],
        )

    yield WorkerPool(begin, lambda: 4, 2048)


def ingest_driver(folder: Path, rows: int) -> dict[str, float]:
    """What one process must do and hold for every image, whoever decodes."""
    config = DataConfig(image_size=SPEC.image_size, channels=1, shard_bytes=1 << 20)
    began = time.process_time()
    with Peak() as peak:
        ingest(MadeUp(rows), config, folder, remote_pool=no_workers)  # type: ignore[arg-type]
    return {"bytes": peak.bytes, "seconds": time.process_time() - began}


def split_rows(folder: Path, rows: int) -> dict[str, float]:
    """``split`` of what ``ingest_driver`` wrote, mode benchmark."""
    from ssgan.data.splits import split

    config = SplitConfig(mode="benchmark", num_labels=1000)
    with Peak() as peak:
        summary = split(folder, folder / "splits", config, folder / "duplicates.parquet", None)
    cut_short = json.loads(summary.to_json())["near_duplicates"].get("images_cut_short", 0)
    return {"bytes": peak.bytes, "seconds": peak.seconds, "cut_short": cut_short}


def pool(folder: Path, rows: int) -> dict[str, float]:
    """The loader with the unlabeled set in memory, first batch included; ``held`` is what stays."""
    import torch

    from ssgan.config import LoaderConfig
    from ssgan.data.files import SplitFiles
    from ssgan.data.loaders import Batches, BatchRequest

    files = SplitFiles(str(folder / "splits"))
    unlabeled = files.num_rows("unlabeled")
    before = anonymous_bytes()
    with Peak() as peak:
        batches = Batches(files, BatchRequest(100, 100, 2, False, 0, None), LoaderConfig(), torch.device("cpu"))
        next(batches.iterate(0, 1))
    held = anonymous_bytes() - before
    return {"bytes": peak.bytes, "held": held, "seconds": peak.seconds, "unlabeled": unlabeled}


def footers(folder: Path, rows: int) -> dict[str, float]:
    """Seconds to open a shard and read its footer, on this disk and on the S3 server that the environment names (if any)."""
    from ssgan.data.store import ImageStore
    from ssgan.storage.store import filesystem, open_store

    local = ImageStore(str(folder / "images"))
    shards = len(list((folder / "images").iterdir()))
    found = {"shards": float(shards), "local_s": _opening(local) / shards}
    if url := os.environ.get("SSGAN_BENCHMARK_S3"):
        size = sum(file.stat().st_size for file in (folder / "images").iterdir())
        began = time.monotonic()
        open_store(url).put(folder / "images", "images")
        found["put_bytes_per_s"] = size / (time.monotonic() - began)
        began = time.monotonic()
        open_store(url).get("images", folder / "fetched")
        found["get_bytes_per_s"] = size / (time.monotonic() - began)
        fs, root = filesystem(url)
        found["s3_s"] = _opening(ImageStore(f"{root}/images", fs)) / shards
    return found


def _opening(files: Any) -> float:
    began = time.monotonic()
    len(files)
    return time.monotonic() - began


def streaming(folder: Path, rows: int) -> dict[str, float]:
    """Bytes of pixels a second that one streaming reader hands out, from this disk; 64 x 64 color images."""
    from ssgan.data.files import SplitFiles
    from ssgan.data.splits import split
    from ssgan.data.streaming import StreamingImages

    wide = folder / "wide"
    ingest(MadeUp(WIDE_ROWS), DataConfig(image_size=64, channels=3), wide, remote_pool=no_workers)  # type: ignore[arg-type]
    split(wide, wide / "splits", SplitConfig(mode="benchmark", num_labels=100), wide / "duplicates.parquet", None)
    files = SplitFiles(str(wide / "splits"))
    reader = StreamingImages(files, 100, 0, "unlabeled-1", 0, 1, 128, 1)
    steps = files.num_rows("unlabeled") // 100
    began = time.monotonic()
    size = sum(reader.read(step).nbytes for step in range(steps))
    return {"bytes_per_s": size / (time.monotonic() - began)}


def step_cost(folder: Path, rows: int) -> dict[str, float]:
    """Arithmetic and parameters of a step of feature matching on 64 x 64 color images, and this machine's time for it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ssgan import methods
    from ssgan.config import NetConfig, Problem
    from ssgan.core.batch import Batch
    from ssgan.training.optimizers import make_optimizers
    from ssgan.training.step import run_step

    torch.set_num_threads(1)
    n = 32
    problem = Problem(ImageSpec(3, 64, "fit"), CLASSES, NetConfig(family="compact"))
    method = methods.build("feature_matching", methods.resolve_config("feature_matching", {}), problem)
    x = torch.rand(3, n, 3, 64, 64)
    batch = Batch(x[0], torch.randint(0, CLASSES, (n,)), x[1], x[2], 0, 0)
    method.init(batch)
    optimizers = make_optimizers(method)
    with FlopCounterMode(display=False) as counter:
        run_step(method, optimizers, batch)
    began = time.monotonic()
    for _ in range(5):
        run_step(method, optimizers, batch)
    seconds = (time.monotonic() - began) / 5
    method.nets.eval()
    with torch.no_grad():
        began = time.monotonic()
        method.predict(torch.rand(500, 3, 64, 64))
        val = (time.monotonic() - began) / 500
    parameters = sum(p.numel() for p in method.nets.parameters())
    return {
        "flop_per_image": counter.get_total_flops() / n,
        "seconds_per_image": seconds / n,
        "val_s": val,
        "parameters": parameters,
    }


KINDS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    f.__name__: f for f in (ingest_driver, split_rows, pool, footers, streaming, step_cost)
}


def in_process(kind: str, folder: Path, rows: int) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.at_scale.measure", kind, str(folder), str(rows)]
    answer: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return answer


def measure_all(rows: list[int]) -> dict[str, list[dict[str, float]]]:
    """Every kind at every number of rows."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for n in rows:
        with tempfile.TemporaryDirectory(prefix="ssgan-scale-") as folder:
            for kind in KINDS:
                if kind != "step_cost" or n == rows[-1]:
                    found[kind].append({"rows": n, **in_process(kind, Path(folder), n)})
                    print(f"  {kind}: {found[kind][-1]}", flush=True)
    return found


if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
