"""A small project, trained once through the command line, and copies of it for tests of commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import yaml

from ssgan.cli.app import run

PARAMS = {
    "data": {"source": {"kind": "digits", "path": "raw"}},
    "net": {"width": 0.2},
    "train": {"backend": "inline", "steps": 20, "val_every": 10, "cpus_per_worker": 1},
    "report": {"mistakes": 4, "generated": 4},
}


def train_project(folder: Path) -> None:
    """Run all stages in ``folder``."""
    before = Path.cwd()
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    os.chdir(folder)
    try:
        for stage in ("ingest", "split", "train", "evaluate", "report"):
            assert run([stage]) == 0, stage
    finally:
        os.chdir(before)


def project_to_predict(trained: Path, folder: Path) -> None:
    """Copy into ``folder`` what predict reads, and make a folder ``new`` of 30 images with 3 files that are none."""
    for name in ("runs/train", "metrics"):
        shutil.copytree(trained / name, folder / name)
    new = folder / "new" / "below"
    new.mkdir(parents=True)
    for path in sorted((trained / "raw/3").iterdir())[:30]:
        shutil.copy(path, new)
    (new.parent / "notes.txt").write_text("no image")
    (new.parent / "half.png").write_bytes((trained / "raw/3").joinpath("0003.png").read_bytes()[:60])
    (new.parent / "gone.png").symlink_to("nowhere")
