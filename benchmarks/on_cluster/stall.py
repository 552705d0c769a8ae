"""How long does the loop wait for checkpoints? One process, the same steps, storage of different speed."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ssgan.config import Config, parse
from ssgan.data.files import SplitFiles
from ssgan.storage.store import open_store
from ssgan.training import experiment
from ssgan.training.checkpoint import Checkpoints, Trainer
from ssgan.training.context import FolderStore, Run, RunContext

MB = 1e6


class Slow:
    """A store whose uploads take as long as a connection of ``rate`` bytes/s would need."""

    def __init__(self, store: FolderStore, rate: float | None) -> None:
        self._store, self._rate = store, rate
        self.uploads: list[float] = []  # seconds
        self.sizes: list[int] = []  # bytes

    def put(self, local: Path, key: str) -> None:
        began, size = time.monotonic(), sum(f.stat().st_size for f in local.rglob("*") if f.is_file())
        self._store.put(local, key)
        if self._rate:
            time.sleep(max(0.0, size / self._rate - (time.monotonic() - began)))
        if "checkpoints" in key:
            self.uploads.append(time.monotonic() - began)
            self.sizes.append(size)

    def get(self, key: str, local: Path) -> None:
        self._store.get(key, local)

    def keys(self, prefix: str) -> list[str]:
        return self._store.keys(prefix)

    def delete(self, key: str) -> None:
        self._store.delete(key)


@dataclass(frozen=True)
class Stall:
    """Seconds of the whole loop, of each ``save`` as the loop sees it, of each upload; bytes of a checkpoint."""

    loop_s: float
    saves: list[float]
    uploads: list[float]
    size: int

    @property
    def waited_share(self) -> float:
        return sum(self.saves) / self.loop_s

    @property
    def save_s(self) -> float:
        return statistics.median(self.saves)


def measure(files: SplitFiles, net: dict[str, Any], steps: int, every: int, url: str, rate: float | None) -> Stall:
    """Train ``steps`` steps with a checkpoint after each ``every``; the last one, which nothing follows, is not counted."""
    options = {"batch_size": 100, "labeled_batch_size": 100}
    base = {"steps": steps, "val_every": steps, "checkpoint_every": every, "twin": False, "keep_checkpoints": 2}
    given = {"train": base, "net": net, "method": {"name": "feature_matching", "options": options}}
    config = parse(Config, given, "benchmark")
    store = Slow(open_store(url), rate)
    saves, times, original = [], [], Checkpoints.save

    def save(self: Checkpoints, trainer: Trainer) -> None:
        began = time.monotonic()
        original(self, trainer)
        if trainer.progress.step < steps:
            saves.append(time.monotonic() - began)

    context = RunContext(store, torch.device("cpu"), lambda role, event: None, heartbeat=lambda: times.append(time.monotonic()))
    Checkpoints.save = save  # type: ignore[method-assign]
    try:
        experiment.train(Run("run", {}, config, files), "main", context)
    finally:
        Checkpoints.save = original  # type: ignore[method-assign]
    return Stall(times[-1] - times[0], saves, store.uploads, max(store.sizes))


def variants(bucket_url: str) -> dict[str, tuple[str, float | None, bool]]:
    """Name -> (storage, bytes/s or None, with checkpoints on the way?)."""
    here = tempfile.mkdtemp(prefix="ssgan-stall-")
    return {
        "no checkpoint on the way": (here, None, False),
        "folder of this machine": (f"{here}/folder", None, True),
        "S3 server on this machine": (bucket_url, None, True),
        "folder, uploads at 40 MB/s": (f"{here}/40", 40 * MB, True),
        "folder, uploads at 5 MB/s": (f"{here}/5", 5 * MB, True),
    }
