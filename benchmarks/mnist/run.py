"""One run of the table: draw the labels, train to the end, judge the last averaged model on test, once."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait
from ssgan.data.store import ImageStore

import torch  # isort: skip

import numpy as np

from benchmarks.mnist.rows import Row, config_of
from ssgan.config import Config, DataConfig, FolderSource, Precision, SplitConfig, parse
from ssgan.data.files import SplitFiles
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.data.splits import split
from ssgan.model import load_model
from ssgan.provenance import ids_sha256
from ssgan.runs.identity import code_version
from ssgan.storage.store import open_store
from ssgan.training import experiment
from ssgan.training.context import Run, RunContext, final_key

Line = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell of the table for one draw of labels.

    ``seed`` draws the labels and all else; in a stack it draws the labels alone, and the runs share first weights and noise.
    """

    row: Row
    labels: int
    seed: int
    steps: int
    threads: int
    stacked: bool = False
    precision: Precision | None = None  # None: the track's

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters, as ``params.yaml`` would have them."""
        config = config_of(self.row, 0 if self.stacked else self.seed, self.steps, self.threads)
        if self.precision:
            config["train"]["precision"] = self.precision
        return config

    @property
    def config(self) -> Config:
        return parse(Config, self.settings, "benchmarks.mnist.rows")

    @property
    def key(self) -> str:
        """Names what is computed: a run with the same key is not run again."""
        what: list[Any] = [self.row.track, replace(self, threads=1).settings, self.labels]
        if self.stacked:
            what.append(self.seed)
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def prepare(mnist: Path, work: Path) -> Path:
    """Folder with the image shards of MNIST, made from its PNG files (``train/CLASS``, ``test/CLASS``) the first time."""
    out = work / "data"
    if not (out / "images").is_dir():
        config = DataConfig(source=FolderSource(kind="folder", path=str(mnist)), image_size=28)
        ingest(make_source(config.source, None), config, out)
    return out


def draw(run: Cell, data: Path, folder: Path) -> SplitFiles:
    """Draw the labels of a run into ``folder``; every other training image is an unlabeled one."""
    config = SplitConfig(num_labels=run.labels, split_seed=run.seed, val_fraction=0.0)
    split(data, folder, config, data / "duplicates.parquet", None)
    return SplitFiles(str(folder), images=ImageStore(str(data / "images")))


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def execute(run: Cell, data: Path, scratch: Path) -> Line:
    """Train and judge; the line of the results file. A run that was interrupted goes on from its checkpoint in ``scratch``."""
    torch.set_num_threads(run.threads)
    with tempfile.TemporaryDirectory(prefix="mnist-table-") as folder:
        files = draw(run, data, Path(folder) / "splits")
        identity = {"key": run.key, "code": code_version(run.row.method)}
        context = RunContext(open_store(str(scratch)), device(), lambda role, event: None)
        experiment.train(Run(run.key, identity, run.config, files), "main", context)
        final = scratch / final_key(run.key, "main")
        summary = json.loads((final / "summary.json").read_text())
        images, labels = test_set(files)
        logits = load_model(final / "last", context.device.type).predict_logits(images)
        return line(run, files, int((logits.argmax(1) != labels).sum()), summary)


def test_set(files: SplitFiles) -> tuple[np.ndarray, np.ndarray]:
    """(N, C, S, S) uint8 and (N,) labels."""
    return files.inputs("test"), files.labels("test")


def line(run: Cell, files: SplitFiles, wrong: int, summary: dict[str, Any]) -> Line:
    """What the results file says of a run. ``summary``: seconds, device, threads, versions."""
    return {
        "key": run.key,
        "track": run.row.track,
        "row": run.row.name,
        "labels": run.labels,
        "seed": run.seed,
        "steps": run.steps,
        "wrong": wrong,
        "test_images": files.num_rows("test"),
        **{name: summary[name] for name in ("seconds", "device", "threads", "versions")},
        "code": code_version(run.row.method)[:16],
        "labeled_ids": ids_sha256(files.ids("labeled"))[:16],
        "settings": asdict(run.row) | {"config": run.settings},
    }
