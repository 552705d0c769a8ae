"""``ssgan export`` in a trained project: what it says, what it refuses, what it leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ssgan.cli.app import run
from ssgan.cli.export import FormatName
from ssgan.evaluation.published import published
from ssgan.exporting.formats import FORMATS
from ssgan.provenance import file_sha256

MODEL, METRICS = Path("runs/train/main/last"), Path("metrics/evaluate.json")


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("runs/train", "metrics", "data/images", "data/splits"):
        shutil.copytree(trained / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def promised(threshold: float | None) -> None:
    numbers = json.loads(METRICS.read_text())
    numbers["main"]["abstention"] = {"max_risk": 0.1, "threshold": threshold, "note": "chosen on 178 val images"}
    METRICS.write_text(json.dumps(numbers))


def test_the_command_knows_every_format() -> None:
    assert [name.value for name in FormatName] == list(FORMATS)


def test_a_file_says_what_it_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    promised(0.7)
    assert run(["export", "--format", "onnx"]) == 0
    said = capsys.readouterr().out
    run_id = json.loads(Path("runs/train/manifest.json").read_text())["run_id"]
    digest = file_sha256(MODEL / "model.safetensors")[:12]
    assert f"runs/export/model.onnx: {run_id}/main/last@{digest}" in said
    assert "up to probability 0.7, for a risk of at most 0.1" in said
    assert "checked on 64 images of data/splits/val: probabilities differ by at most" in said
    images = np.zeros((2, 30, 40, 3), np.uint8)
    assert FORMATS["onnx"].read(Path("runs/export/model.onnx"))(images)[0].shape == (2, 10)


def test_without_an_evaluation_it_is_refused_unless_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    METRICS.unlink()
    assert run(["export", "--format", "safetensors"]) == 1
    said = capsys.readouterr().err
    assert "metrics/evaluate.json does not exist; run `dvc repro evaluate`" in said
    assert "--uncalibrated" in said
    assert not Path("runs/export").exists()
    assert run(["export", "--format", "safetensors", "--uncalibrated"]) == 0
    assert "not calibrated" in capsys.readouterr().out


def test_nothing_is_overwritten_unless_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.safetensors").write_text("mine")
    assert run(["export", "--format", "safetensors", "--out", "m.safetensors"]) == 2
    assert Path("m.safetensors").read_text() == "mine"
    assert run(["export", "--format", "safetensors", "--out", "m.safetensors", "--overwrite"]) == 0
    assert run(["export", "--format", "onnx", "--out", "m.safetensors"]) == 2
    assert "a file of format onnx ends in .onnx" in capsys.readouterr().err


def test_without_val_images_noise_does(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("data")
    assert run(["export", "--format", "safetensors"]) == 0
    assert "64 images of noise (data/splits/val does not exist)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: promised(None), "never (chosen on 178 val images)"),
        (lambda: None, "never (evaluate.max_risk is null)"),
        (lambda: METRICS.unlink(), "never (metrics/evaluate.json does not exist; run `dvc repro evaluate`)"),
    ],
    ids=["none found", "nobody asked", "not evaluated"],
)
def test_where_there_is_no_threshold_the_reason_is_said(project: Path, change, words: str) -> None:  # type: ignore[no-untyped-def]
    change()
    facts = published(MODEL, METRICS)
    assert facts.threshold is None
    assert facts.abstention == words


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("fitted on 178 val images", "calibrated, temperature 1 fitted on 178 val images (metrics/evaluate.json)"),
        ("not fitted: val holds 3 images", "not calibrated: val holds 3 images (metrics/evaluate.json)"),
    ],
)
def test_probabilities_are_called_calibrated_only_if_a_temperature_was_fitted(project: Path, note: str, words: str) -> None:
    numbers = json.loads(METRICS.read_text())
    numbers["main"] |= {"temperature": 1.0, "temperature_note": note}
    METRICS.write_text(json.dumps(numbers))
    assert published(MODEL, METRICS).note == words
