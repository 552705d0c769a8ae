"""Stage ``ingest``: raw images -> data/images, data/index, data/rejected.parquet, data/duplicates.parquet, metrics/ingest.json.

DVC leaves what is there before a run (``persist: true``), so that only new images are decoded.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from ssgan.config import DataConfig, load
from ssgan.data import tombstones
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.data.workers import RemotePool
from ssgan.wording import counted


def run() -> None:
    """Read params.yaml, ingest, write the metrics and say what happened."""
    config, start = load().data, time.perf_counter()
    source, workers, removed = make_source(config.source), _remote_pool(config), tombstones.load()
    summary = ingest(source, config, Path("data"), progress=_Progress(), remote_pool=workers, removed=removed)
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/ingest.json").write_text(json.dumps(summary.metrics(), indent=2) + "\n")
    print(summary.describe(time.perf_counter() - start, config.deep_bits))


def _remote_pool(config: DataConfig) -> RemotePool | None:
    """Workers of a Ray cluster, where asked for; Ray is not loaded otherwise."""
    if config.workers == "local":
        return None
    from ssgan.data.on_ray import ray_pool

    return ray_pool(config.source)


class _Progress:
    """A line every ten seconds, so that a long ingest is seen to live."""

    start = last = time.monotonic()

    def __call__(self, seen: int) -> None:
        now = time.monotonic()
        if now - self.last >= 10:
            self.last = now
            print(f"ingest: {counted(seen, 'file')}, {seen / (now - self.start):,.0f}/s", flush=True)
