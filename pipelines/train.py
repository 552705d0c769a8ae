"""DVC stage ``train``: the method and its supervised twin on data/splits, into runs/train and metrics/train.json."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines._stage import main
from ssgan.config import Config, load
from ssgan.runtime.launch import in_job, train
from ssgan.runtime.overview import overview
from ssgan.runtime.progress import ProgressLine


def run() -> None:
    """Train what is not finished, fetch it, write metrics/train.json."""
    train_with(load())


def train_with(config: Config) -> None:
    """The stage, with parameters that are read already."""
    print(overview(config), flush=True)
    manifest = train(config, Path("data/splits"), Path("runs/train"), ProgressLine(config.train.log_every_seconds))
    seconds = ", ".join(f"{role} {value:.0f} s" for role, value in manifest["seconds"].items())
    print(f"trained {manifest['run_id']}: {manifest['steps']:,} steps ({seconds})", flush=True)
    if in_job():
        return  # its folder is gone with Ray; the results are in storage
    kept = ("run_id", "steps", "world_size", "label_budget", "distinct_labeled_ids_seen", "num_unlabeled")
    metrics = Path("metrics/train.json")
    metrics.parent.mkdir(exist_ok=True)
    metrics.write_text(json.dumps({key: manifest[key] for key in kept}, indent=1, sort_keys=True) + "\n")
    print("results in runs/train")


if __name__ == "__main__":
    main(run)
