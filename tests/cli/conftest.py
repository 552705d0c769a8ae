"""A small project, trained once through the command line, for all tests of commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from ssgan.cli.app import run

PARAMS = {
    "data": {"source": {"kind": "digits", "path": "raw"}},
    "net": {"width": 0.2},
    "train": {"backend": "inline", "steps": 20, "val_every": 10, "cpus_per_worker": 1},
    "evaluate": {"bootstrap_samples": 100},
    "report": {"mistakes": 4, "generated": 4},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project in which all stages have run. Read only."""
    folder, before = tmp_path_factory.mktemp("trained"), Path.cwd()
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    os.chdir(folder)
    try:
        for stage in ("ingest", "split", "train", "evaluate", "report"):
            assert run([stage]) == 0, stage
    finally:
        os.chdir(before)
    return folder
