"""Predictions from a prefix of S3 are those from the same files on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ssgan.cli.app import run
from ssgan.storage.store import filesystem
from tests.support.images import blob, write
from tests.support.model_folder import write_model

pytestmark = pytest.mark.s3


def test_a_prefix_is_predicted_like_a_folder(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model", "implicit_fake", "mlp")
    files = {f"{n % 3}/größe {n}.png": blob(n) for n in range(20)} | {"1/text.png": b"text", "0/twin.png": blob(3)}
    write(tmp_path / "raw", files)
    fs, root = filesystem(s3)
    for name, data in files.items():
        fs.pipe_file(f"{root}/in/{name}", data)
    for source, out in ((f"{s3}/in", "remote"), ("raw", "local")):
        command = ["predict", source, "--model", "model", "--out", out, "--part-files", "7"]
        assert run(command) == 0
        assert run(command) == 0  # nothing is left to do
    remote, local = (pq.read_table(f"{out}/predicted") for out in ("remote", "local"))
    assert remote.equals(local)
    assert pq.read_table("remote/rejected").equals(pq.read_table("local/rejected"))
    done = json.loads(Path("remote/done.json").read_text())
    assert {key: done[key] for key in ("seen", "predicted", "duplicates", "rejected")} == {
        "seen": 22,
        "predicted": 20,
        "duplicates": 1,
        "rejected": 1,
    }
