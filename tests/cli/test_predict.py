"""Predictions: right, calibrated, complete, and never written over something by accident."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ssgan.cli.app import run
from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits, decode
from ssgan.model import load_model
from tests.support.trained_project import project_to_predict


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what predict reads, and a folder of 30 images with 3 files that are none."""
    project_to_predict(trained, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_row_holds_the_calibrated_probabilities_of_the_surest_classes(project: Path) -> None:
    assert run(["predict", "new", "--top-k", "10"]) == 0
    rows = pq.read_table("predictions.parquet").to_pylist()
    assert len(rows) == 30
    model = load_model(Path("runs/train/main/last"))
    temperature = json.loads(Path("metrics/evaluate.json").read_text())["main"]["temperature"]
    for row in rows:
        data = Path("new", row["path"]).read_bytes()
        assert row["id"] == hashlib.sha256(data).hexdigest()
        logits = (
            model.predict_logits(decode(data, ImageSpec(1, 8, "fit"), DecodeLimits(1 << 20, 1 << 20))[None])[0] / temperature
        )
        expected = np.exp(logits - logits.max())
        expected /= expected.sum()
        shown = [(row[f"label{end}"], row[f"probability{end}"]) for end in ("", *(f"_{k}" for k in range(2, 11)))]
        assert [label for label, _ in shown] == [model.classes[k] for k in np.argsort(-expected, kind="stable")]
        np.testing.assert_allclose([p for _, p in shown], np.sort(expected)[::-1], atol=1e-5)


def test_the_temperature_matters(project: Path) -> None:
    assert run(["predict", "new"]) == 0
    path = Path("metrics/evaluate.json")
    numbers = json.loads(path.read_text())
    numbers["main"]["temperature"] *= 10
    path.write_text(json.dumps(numbers))
    assert run(["predict", "new", "--out", "flat.parquet"]) == 0
    sharp, flat = (pq.read_table(name)["probability"].to_numpy() for name in ("predictions.parquet", "flat.parquet"))
    assert (flat < sharp).all()


def test_rejected_files_are_counted_and_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "new", "--out", "p.csv"]) == 0
    said = capsys.readouterr()
    assert "33 files = 30 predicted + 0 duplicates + 3 rejected -> p.csv" in said.out
    with open("p.rejected.csv", newline="") as file:
        listed = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert listed == {"notes.txt": "not_an_image", "half.png": "truncated", "gone.png": "broken_link"}
    assert all(f"rejected {path}: {reason}" in said.err for path, reason in listed.items())


def test_csv_and_parquet_hold_the_same(project: Path) -> None:
    assert run(["predict", "new", "--out", "p.csv"]) == 0
    assert run(["predict", "new"]) == 0
    with open("p.csv", newline="") as file:
        text = list(csv.DictReader(file))
    table = pq.read_table("predictions.parquet").to_pylist()
    ranks = ["label", "probability", "label_2", "probability_2", "label_3", "probability_3"]
    assert list(text[0]) == ["id", "path", *ranks, "abstain", "model_id"]
    assert [{k: str(v) if "probability" not in k else float(v) for k, v in row.items()} for row in table] == [
        {k: v if "probability" not in k else float(v) for k, v in row.items()} for row in text
    ]


@pytest.mark.parametrize("key", ["run_id", "checkpoint"])
def test_a_temperature_of_another_model_is_not_used(key: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("metrics/evaluate.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: "other"}))
    assert run(["predict", "new", "--model", "runs/train/main/last"]) == 0
    assert "not calibrated (metrics/evaluate.json is about another model" in capsys.readouterr().out


def test_without_an_evaluation_it_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("metrics/evaluate.json").unlink()
    assert run(["predict", "new"]) == 0
    assert "not calibrated (metrics/evaluate.json does not exist; run `dvc repro evaluate`)" in capsys.readouterr().out


def test_weights_that_were_changed_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = Path("runs/train/main/last/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert run(["predict", "new"]) == 1
    assert "is not the file that training wrote" in capsys.readouterr().err
    assert not Path("predictions.parquet").exists()


def test_a_folder_without_images_is_an_error_and_leaves_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("new/below")
    assert run(["predict", "new"]) == 1
    assert "none of the 3 files below new is an image" in capsys.readouterr().err
    assert list(Path().glob("*predictions*")) == []


def test_no_model_is_an_error_with_a_remedy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "new", "--model", "new/below"]) == 1
    said = capsys.readouterr().err
    assert "is not a model folder" in said
    assert "or change to the project's folder" in said


def test_nothing_is_overwritten_unless_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.csv").write_text("mine")
    assert run(["predict", "new", "--out", "p.csv"]) == 2
    assert Path("p.csv").read_text() == "mine"
    assert run(["predict", "new", "--out", "p.csv", "--overwrite"]) == 0
    assert Path("p.csv").read_text() != "mine"
    assert run(["predict", "new", "--out", "p.txt"]) == 2
    assert "must end in .parquet or .csv" in capsys.readouterr().err


def test_the_list_of_rejected_files_belongs_to_the_table_beside_it(project: Path) -> None:
    Path("p.rejected.csv").write_text("mine")
    assert run(["predict", "new", "--out", "p.csv"]) == 2
    assert Path("p.rejected.csv").read_text() == "mine"
    assert run(["predict", "new/below", "--out", "p.csv", "--overwrite"]) == 0
    assert not Path("p.rejected.csv").exists()  # nothing was rejected this time


def test_a_version_of_the_registry_is_as_calibrated_as_the_run_it_comes_from(project: Path) -> None:
    """`ssgan models fetch` leaves metrics and the manifest of the training beside the weights."""
    live = Path(shutil.copytree("runs/train/main/last", "live"))
    shutil.copy("runs/train/manifest.json", live / "training.json")
    shutil.copy("metrics/evaluate.json", live / "metrics.json")
    assert run(["predict", "new"]) == 0
    assert run(["predict", "new", "--model", "live", "--out", "live.parquet"]) == 0
    assert pq.read_table("live.parquet") == pq.read_table("predictions.parquet")


@pytest.mark.parametrize(("file", "change"), [("training.json", {"run_id": "run-1"}), ("metrics.json", {"run_id": "run-1"})])
def test_a_version_whose_metrics_are_of_other_weights_is_refused(
    file: str, change: dict[str, str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Path(shutil.copytree("runs/train/main/last", "live"))
    shutil.copy("runs/train/manifest.json", live / "training.json")
    shutil.copy("metrics/evaluate.json", live / "metrics.json")
    (live / file).write_text(json.dumps(json.loads((live / file).read_text()) | change))
    assert run(["predict", "new", "--model", "live"]) == 1
    assert "fetch that version again" in capsys.readouterr().err
