"""One run of the table: draw the labels, train to the end, judge the last averaged model on test, once."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

from benchmarks.mnist.rows import Row, config_of
from ssgan import experiment
from ssgan.config import Config, DataConfig, FolderSource, SplitConfig, parse
from ssgan.data.files import SplitFiles
from ssgan.data.images import ingest
from ssgan.data.schema import pixels_to_numpy
from ssgan.data.sources import open_source
from ssgan.data.splits import split
from ssgan.hashing import ids_sha256
from ssgan.model import load_model
from ssgan.runtime.identity import code_version
from ssgan.runtime.storage import open_store

Line = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A cell of the table for one draw of labels. ``seed`` draws the labels and all else."""

    row: Row
    labels: int
    seed: int
    steps: int
    threads: int

    @property
    def key(self) -> str:
        """Names what is computed: a run with the same key is not run again."""
        config = config_of(self.row, self.seed, self.steps, 1)
        what = [self.row.track, config, self.labels]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def prepare(mnist: Path, work: Path) -> Path:
    """Folder with the image shards of MNIST, made from its PNG files (``train/CLASS``, ``test/CLASS``) the first time."""
    out = work / "data"
    if not (out / "images").is_dir():
        config = DataConfig(source=FolderSource(kind="folder", path=str(mnist)), image_size=28)
        ingest(open_source(config.source, None), config, out)
    return out


def execute(run: Run, data: Path, scratch: Path) -> Line:
    """Train and judge; the line of the results file. A run that was interrupted goes on from its checkpoint in ``scratch``."""
    config = parse(Config, config_of(run.row, run.seed, run.steps, run.threads), "benchmarks.mnist.rows")
    torch.set_num_threads(run.threads)
    with tempfile.TemporaryDirectory(prefix="mnist-table-") as folder:
        splits = Path(folder) / "splits"
        draw = SplitConfig(num_labels=run.labels, split_seed=run.seed, val_fraction=0.0)
        split(data / "images", splits, draw, data / "duplicates.parquet", None)
        files = SplitFiles(str(splits))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        identity = {"key": run.key, "code": code_version(run.row.method)}
        edge = experiment.Edge(open_store(str(scratch)), run.key, identity, device, lambda role, tick: None)
        experiment.train(config, files, "main", edge)
        final = scratch / experiment.final_key(run.key, "main")
        summary = json.loads((final / "summary.json").read_text())
        test = files.read("test", ["label", "pixels"])
        logits = load_model(final / "last", device.type).predict_logits(pixels_to_numpy(test["pixels"], files.image_spec()))
        labeled = ids_sha256(files.read("labeled", ["id"])["id"].to_pylist())
    return {
        "key": run.key,
        "track": run.row.track,
        "row": run.row.name,
        "labels": run.labels,
        "seed": run.seed,
        "steps": run.steps,
        "wrong": int((logits.argmax(1) != test["label"].to_numpy()).sum()),
        "test_images": len(logits),
        "seconds": summary["seconds"],
        "device": summary["device"],
        "threads": summary["threads"],
        "versions": summary["versions"],
        "code": identity["code"][:16],
        "labeled_ids": labeled[:16],
        "settings": asdict(run.row) | {"config": config_of(run.row, run.seed, run.steps, run.threads)},
    }
