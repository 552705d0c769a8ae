"""The stage script: what it writes, what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.closure import ROOT
from tests.support.images import blob, write
from tests.support.stage import stage


def test_a_run(tmp_path: Path) -> None:
    write(tmp_path / "raw", {"a/1.png": blob(1), "b/2.png": blob(2), "b/3.png": b"text"})
    (tmp_path / "params.yaml").write_text("data: {source: {kind: folder, path: raw}, image_size: 8}\n")
    first = stage(tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert "3 files seen = 2 accepted + 1 rejected (1 not_an_image) + 0 duplicates" in first.stdout
    assert "layout auto found classes: `a`, `b`" in first.stdout
    assert len(first.stdout.splitlines()) == 3
    metrics = (tmp_path / "metrics/ingest.json").read_text()
    assert json.loads(metrics)["accepted"] == 2
    names = [".ingest-index.parquet", "duplicates.parquet", "images", "index", "rejected.parquet"]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == names
    assert stage(tmp_path).returncode == 0
    assert (tmp_path / "metrics/ingest.json").read_text() == metrics


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ("data: {source: {kind: folder, path: nowhere}}", 1, "error: data.source.path is 'nowhere'"),
        ("data: {image_siz: 8}", 2, "did you mean `image_size`?"),
    ],
)
def test_errors_are_one_sentence(params: str, code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(params)
    result = stage(tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" in stage(tmp_path, SSGAN_DEBUG="1").stderr


def test_a_ray_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, {"raw/1.png": blob(1), "params.yaml": b"data: {source: {kind: folder, path: raw}, workers: ray}"})
    result = stage(tmp_path, RAY_ADDRESS="127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr.startswith("error: RAY_ADDRESS is '127.0.0.1:1', but nothing answers there")
    assert len(result.stderr.splitlines()) == 1


def test_preparing_data_loads_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from pipelines import ingest;"
        "from ssgan.data.sources import digits, folder, s3, torchvision;"
        "print([m for m in ('torch', 'torchvision', 'ray', 's3fs') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
