"""``ssgan audit`` in a real project, where two labels of val are swapped for others."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.cli.app import run
from ssgan.ledger import Ledger, Vote


@pytest.fixture
def swapped(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of images whose labels are wrong now."""
    for name in ("runs/train", "data/splits", "data/images", "data/index"):
        shutil.copytree(trained / name, tmp_path / name)
    for name in ("params.yaml", "classes.json"):
        shutil.copy(trained / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path("data/splits/val.parquet")
    found = pq.read_table(path)
    label = found["label"].to_numpy().copy()
    rows = [int(np.flatnonzero(label == k)[3]) for k in (0, 4, 6)]
    label[rows] = [6, 0, 4]
    pq.write_table(found.set_column(found.schema.get_field_index("label"), found.schema.field("label"), pa.array(label)), path)
    return [found["id"][row].as_py().hex() for row in rows]


def test_wrong_labels_come_first_and_test_is_never_opened(swapped: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/splits/test.parquet").unlink()
    Ledger(Path("labels")).append([Vote(swapped[0], "6", "eva", "2026-01-01", "cluster:queue.csv")])
    assert run(["audit"]) == 0
    said = capsys.readouterr().out
    assert "Checked: 218 labels (40 of the labeled set, 178 of validation)" in said
    assert "relabel them: ssgan label --again --queue audit/suspects.csv" in said
    with open("audit/suspects.csv", newline="") as file:
        votes = {row["sha256"]: row["votes"] for row in csv.DictReader(file)}
    assert set(swapped) <= set(list(votes)[:6])
    assert votes[swapped[0]] == "eva: 6 (sheet of a cluster)"
    assert "labels look wrong" in Path("audit/suspects.html").read_text()


def test_a_model_at_chance_says_nothing_of_the_labels(swapped: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for name in ("labeled", "val"):
        path = Path(f"data/splits/{name}.parquet")
        found = pq.read_table(path)
        label = random.permutation(found["label"].to_numpy())
        at = found.schema.get_field_index("label")
        pq.write_table(found.set_column(at, found.schema.field("label"), pa.array(label)), path)
    assert run(["audit"]) == 1
    assert "the model cannot tell the classes apart (cross-validated error " in capsys.readouterr().err
    assert not Path("audit").exists()
