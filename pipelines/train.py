"""Stage ``train``: the method and its supervised baseline on data/splits, into runs/train and metrics/train.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ssgan.config import Config, load
from ssgan.project.stage_times import RUNS, note
from ssgan.runs.curves import where_to_look
from ssgan.runs.launch import describe, train
from ssgan.runs.lock import only_training
from ssgan.runs.overview import details, headline
from ssgan.runs.progress import progress_of

SPLITS, OUT, METRICS = Path("data/splits"), Path("runs/train"), Path("metrics/train.json")
KEPT = ("run_id", "steps", "world_size", "label_budget", "distinct_labeled_ids_seen", "num_unlabeled")


def run(verbose: bool = False) -> None:
    """Train what is not finished, fetch it, write metrics/train.json; ``verbose``: say all parameters first."""
    train_with(load(), verbose)


def train_with(config: Config, verbose: bool = False) -> None:
    """The stage, with parameters that are read already."""
    print(headline(config, OUT), flush=True)
    if verbose:
        print(details(config), flush=True)
    with only_training(), progress_of(config) as line:
        manifest = train(config, SPLITS, OUT, line)
    note(manifest["run_id"], sum(manifest["seconds"].values()), RUNS)
    print(describe(manifest), flush=True)
    METRICS.parent.mkdir(exist_ok=True)
    METRICS.write_text(json.dumps(kept(manifest), indent=1, sort_keys=True) + "\n")
    print("\n".join([f"results in {OUT}", *where_to_look(config)]))


def kept(manifest: dict[str, Any]) -> dict[str, Any]:
    """What metrics/train.json holds: no steps where the model was fitted at once, for it took none."""
    return {key: manifest[key] for key in KEPT if key != "steps" or "main" not in manifest["fitted"]}
