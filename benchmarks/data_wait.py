"""Share of the time of a training that is spent waiting for data: images in memory, and streamed from Parquet.

Runs the real loop of feature matching on the splits of a project (`dvc repro split` made them), once with the unlabeled set
in memory and once streamed, in turns.

    python -m benchmarks.data_wait data/splits --steps 200 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from ssgan.config import Config, LoaderConfig, TrainConfig
from ssgan.data.files import SplitFiles
from ssgan.storage.store import open_store
from ssgan.training import experiment
from ssgan.training.context import ProgressEvent, Run, RunContext


def shares(files: SplitFiles, loader: LoaderConfig, steps: int) -> list[tuple[float, float]]:
    """(share waiting for data, images/s) of each tenth of a run."""
    events: list[ProgressEvent] = []
    train = TrainConfig(steps=steps, val_every=max(steps // 10, 1), checkpoint_every=steps, twin=False)
    config = Config(train=train, loader=loader)
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(open_store(folder), torch.device("cpu"), lambda role, event: events.append(event))
        experiment.train(Run("run", {}, config, files), "main", context)
        lines = Path(folder, "run/main/final/history.jsonl").read_text().splitlines()
    return [(r["data_wait_share"], r["images_per_second"]) for r in map(json.loads, lines)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    files = SplitFiles(str(Path(arguments.splits).absolute()))
    loaders = {"in memory": LoaderConfig(), "streamed": LoaderConfig(memory_budget=1)}
    for number in range(arguments.rounds):
        for name, loader in loaders.items():
            found = shares(files, loader, arguments.steps)[1:]
            waits, speeds = [f[0] for f in found], [f[1] for f in found]
            print(
                f"round {number + 1}, {name:10}: {sum(waits) / len(waits):6.2%} waiting (at most {max(waits):.2%}), "
                f"{sum(speeds) / len(speeds):,.0f} images/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
