"""What makes a run the run that it is: code, parameters and data. The same inputs resume, other inputs never do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.experiment import TWIN, role_method, roles
from ssgan.hashing import ids_sha256

PACKAGE = Path(__file__).parents[1]

# Files and folders whose code decides what a training computes, besides the files of the methods themselves. A test compares
# them with the imports of ssgan.experiment, and with the deps of the train stage in dvc.yaml.
CODE = (
    "augment.py",
    "batch.py",
    "config.py",
    "config_errors.py",
    "config_gate.py",
    "config_tune.py",
    "data/files.py",
    "data/loaders.py",
    "data/sampler.py",
    "data/schema.py",
    "data/streaming.py",
    "distributed.py",
    "errors.py",
    "experiment.py",
    "hashing.py",
    "losses.py",
    "method.py",
    "nets",
    "players",
    "training",
)

# Parameters of ``train`` that change how a run is executed, not what it computes.
# start_from counts by the weights that it leads to, not by their name.
EXECUTION = {
    "backend",
    "cpus_per_worker",
    "max_failures",
    "keep_checkpoints",
    "log_every_seconds",
    "step_timeout_s",
    "twin",
    "start_from",
}


def code_files(method: str) -> list[Path]:
    """The source files behind a training, sorted."""
    named = [PACKAGE / part for part in CODE] + [PACKAGE / f"methods/{name}.py" for name in sorted({method, TWIN})]
    return sorted({file for path in named for file in (path.rglob("*.py") if path.is_dir() else [path])})


def code_version(method: str) -> str:
    """sha256 over names and contents of ``code_files``."""
    digest = hashlib.sha256()
    for file in code_files(method):
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def data_version(files: SplitFiles) -> str:
    """sha256 over what training reads: split.json (which holds the hashes of the ids of every set), labels, image shape.

    The pixels of the unlabeled set are covered by the ids (hashes of the files' bytes) and the shape they were brought to.
    """
    digest = hashlib.sha256(json.dumps(files.metadata(), sort_keys=True).encode())
    summary = f"{files.root}/split.json"
    digest.update(files.fs.cat_file(summary) if files.fs.exists(summary) else b"")
    for name in ("labeled", "val"):
        table = files.read(name, ["id", "label"])
        digest.update(repr(sorted(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))).encode())
    return digest.hexdigest()


def labeled_ids_sha256(files: SplitFiles) -> str:
    """sha256 over the sorted ids of the labeled set."""
    return ids_sha256(files.read("labeled", ["id"])["id"].to_pylist())


def params(config: Config) -> dict[str, Any]:
    """The parameters that decide what a training computes, with the resolved hyperparameters of every role."""
    methods = {role: role_method(config, role) for role in roles(config)}
    return {
        "method": {role: {"name": name, **resolved.model_dump()} for role, (name, resolved) in methods.items()},
        "net": config.net.model_dump(),
        "augment": config.augment.model_dump(),
        "loader": config.loader.model_dump(),
        "train": {k: v for k, v in config.train.model_dump().items() if k not in EXECUTION},
    }


def identity(config: Config, files: SplitFiles, data: str | None = None, start: dict[str, str] | None = None) -> dict[str, Any]:
    """What a checkpoint must agree with to be resumed from.

    Args:
        data: version of the data, where it is known already.
        start: sha256 of the weights that each role begins with; None: random ones.
    """
    same = {"params": params(config), "code": code_version(config.method.name), "data": data or data_version(files)}
    return same | ({"start": start} if start else {})


def run_id(identity: dict[str, Any]) -> str:
    """Name of the run in storage: 12 hex digits of the hash of its identity."""
    return "run-" + hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
