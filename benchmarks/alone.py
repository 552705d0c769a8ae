"""One training in this process, without the pipeline around it: what the benchmarks compare."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.model import Model, load_model
from ssgan.storage.store import open_store
from ssgan.training import experiment
from ssgan.training.context import Run, RunContext, final_key


@dataclass(frozen=True)
class Finished:
    """What came out: the averaged model after the last step, and the records on the way."""

    model: Model
    history: list[dict[str, Any]]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """(seconds of training, error rate on val)."""
        return [(record["seconds"], record["val_error_rate"]) for record in self.history]

    def error_rate(self, files: SplitFiles, name: str) -> float:
        """Share of wrong answers on the set ``name``."""
        return float((self.model.predict_logits(files.inputs(name)).argmax(1) != files.labels(name)).mean())


def train(config: Config, files: SplitFiles, threads: int) -> Finished:
    """Train the selected method from its start to its end."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="ssgan-benchmark-") as folder:
        context = RunContext(open_store(folder), torch.device("cpu"), lambda role, event: None)
        experiment.train(Run("run", {}, config, files), "main", context)
        final = Path(folder, final_key("run", "main"))
        history = [json.loads(line) for line in (final / "history.jsonl").read_text().splitlines()]
        return Finished(load_model(final / "last"), history)
