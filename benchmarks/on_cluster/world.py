"""A cluster of two local nodes with its S3 server, and a project on handwritten digits that trains there or here."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.on_cluster import marks
from infra.cluster.nodes import Nodes
from infra.s3.local import REGION, make_bucket
from infra.s3.weed import Weed
from ssgan.config import DataConfig, DigitsSource, SplitConfig
from ssgan.data.images import ingest
from ssgan.data.sources import make_source
from ssgan.data.splits import split

BUCKET, BATCH, WINDOWS = "ssgan-benchmark", 100, 6
ROOT = Path(__file__).parents[2]
MAIN: dict[str, Any] = {"family": "mlp", "width": 1.0}
TINY: dict[str, Any] = {"family": "mlp", "width": 0.02}


@dataclass(frozen=True)
class Trained:
    """One training: milliseconds of a step in every window but the first, marks (seconds since the command), all seconds."""

    windows: list[float]
    marks: dict[str, float]
    seconds: float

    @property
    def step_ms(self) -> float:
        return statistics.median(self.windows)


@contextmanager
def storage(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server; yields the environment of those who may use it."""
    key, secret = secrets.token_hex(10), secrets.token_hex(20)
    with Weed(folder / "s3", key, secret) as server:
        keys = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "AWS_ENDPOINT_URL": server.endpoint,
        }
        make_bucket(keys, BUCKET)
        yield keys


@contextmanager
def nodes(folder: Path, keys: dict[str, str]) -> Iterator[Nodes]:
    """Two Ray nodes with one CPU each, up."""
    (folder / "nodes").mkdir()
    cluster = Nodes(folder / "nodes", keys)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


def write_project(folder: Path, size: int) -> Path:
    """The digits at ``size`` x ``size`` pixels, ingested and split, and the file that makes marks."""
    source = make_source(DigitsSource(path=str(folder / "raw")))
    ingest(source, DataConfig(image_size=size, channels=1), folder / "data")
    split_config = SplitConfig(mode="benchmark", num_labels=100)
    split(folder / "data", folder / "data/splits", split_config, folder / "data/duplicates.parquet", None)
    shutil.copy(marks.__file__, folder / "sitecustomize.py")
    return folder


def train(
    project: Path, keys: dict[str, str], cluster: Nodes | None, net: dict[str, Any], steps: int, **changes: Any
) -> Trained:
    """Run ``ssgan submit`` (or, without a cluster, ``ssgan train`` in one plain process) from its start to its end."""
    name = uuid.uuid4().hex[:8]
    record = project / f"marks-{name}.jsonl"
    base = {"steps": steps, "val_every": steps // WINDOWS, "checkpoint_every": steps, "twin": False, "cpus_per_worker": 1}
    parameters = {
        "train": {**base, "backend": "ray" if cluster else "inline", "device": "cpu", **changes},
        "net": net,
        "method": {"name": "feature_matching", "options": {"batch_size": BATCH, "labeled_batch_size": BATCH}},
        "storage": {"url": f"s3://{BUCKET}/{name}"},
        "cluster": {
            "address": cluster.address if cluster else None,
            "include": ["sitecustomize.py"],
            "environment": {marks.VARIABLE: str(record)},
        },
    }
    (project / "params.yaml").write_text(yaml.safe_dump(parameters))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(cluster.token)} if cluster else {}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_"))}
    environment = {**clean, **keys, **token, marks.VARIABLE: str(record), "PYTHONPATH": f"{project}:{ROOT}"}
    began = time.time()
    command = [
        sys.executable,
        "-c",
        "import sys; from ssgan.cli import main; sys.exit(main())",
        "submit" if cluster else "train",
    ]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    seconds = time.time() - began
    history = (project / "runs/train/main/history.jsonl").read_text().splitlines()
    windows = [1e3 * BATCH / json.loads(line)["images_per_second"] for line in history[1:]]
    return Trained(windows, read_marks(record, began), seconds)


def read_marks(path: Path, began: float) -> dict[str, float]:
    """Seconds from ``began`` to each mark; what two processes do, once for the driver and once for the worker."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    worker = next((line["pid"] for line in lines if line["name"] == "worker up"), None)
    found: dict[str, float] = {}
    for line in lines:
        name = f"{line['name']} (worker)" if line["pid"] == worker and line["name"] == "versions compared" else line["name"]
        found.setdefault(name, line["at"] - began)
    return found
