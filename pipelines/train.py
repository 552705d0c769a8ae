"""Stage ``train``: the method and its supervised baseline on data/splits, into runs/train and metrics/train.json."""

from __future__ import annotations

import json
from pathlib import Path

from ssgan.config import Config, load
from ssgan.runs.curves import where_to_look
from ssgan.runs.launch import describe, train
from ssgan.runs.lock import only_training
from ssgan.runs.progress import ProgressLine, overview
from ssgan.training.roles import roles

SPLITS, OUT, METRICS = Path("data/splits"), Path("runs/train"), Path("metrics/train.json")
KEPT = ("run_id", "steps", "world_size", "label_budget", "distinct_labeled_ids_seen", "num_unlabeled")


def run() -> None:
    """Train what is not finished, fetch it, write metrics/train.json."""
    train_with(load())


def train_with(config: Config) -> None:
    """The stage, with parameters that are read already."""
    print(overview(config), flush=True)
    with only_training():
        manifest = train(config, SPLITS, OUT, ProgressLine(config.train.log_every_seconds, roles(config)))
    print(describe(manifest), flush=True)
    METRICS.parent.mkdir(exist_ok=True)
    METRICS.write_text(json.dumps({key: manifest[key] for key in KEPT}, indent=1, sort_keys=True) + "\n")
    print("\n".join([f"results in {OUT}", *where_to_look(config)]))
