"""The stage from files to files: its numbers, and everything that must stop it before there is a number."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score

from ssgan.data.classes import ClassRegistry, to_json
from ssgan.data.files import SplitFiles
from ssgan.errors import CheckpointError, DataError
from ssgan.evaluation.judge import describe
from ssgan.prediction.sets import labeled_images
from tests.support.fake_run import Fake


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_metrics_are_those_of_the_predictions(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = fake.write().evaluate(monkeypatch)
    table = pq.read_table(fake.root / "runs/evaluate/predictions.parquet").to_pydict()
    assert len(table["id"]) == fake.num_test
    for role in ("main", "twin"):
        assert numbers[role]["error_rate"] == pytest.approx(1 - accuracy_score(table["label"], table[f"{role}_pred"]), abs=1e-6)
        assert numbers[role]["error_rate_low"] <= numbers[role]["error_rate"] <= numbers[role]["error_rate_high"]
        assert all(1 / 3 <= p <= 1 for p in table[f"{role}_prob"])
    assert np.mean(table["main_nll"]) == pytest.approx(numbers["main"]["nll_calibrated"], abs=1e-6)
    assert numbers["gain"]["error_rate"] == pytest.approx(
        numbers["twin"]["error_rate"] - numbers["main"]["error_rate"], abs=2e-6
    )
    assert numbers["gain"]["verdict"] == "gain"
    assert numbers["test_opened_by"] == "evaluate"
    assert numbers["images"] == {"labeled": 12, "unlabeled": 50, "val": 40, "test": 120}
    assert numbers["budget"]["main_ids_seen"] == numbers["budget"]["label_budget"] == 12
    assert numbers["main"]["temperature_note"] == "fitted on 40 validation images"


@pytest.mark.parametrize("twin", [True, False])
def test_the_stage_says_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, twin: bool) -> None:
    numbers = Fake(tmp_path, twin=twin).write().evaluate(monkeypatch)
    said = capsys.readouterr().out
    assert "120 test images opened, by this stage only; 95% intervals" in said
    assert f"semi-supervised model: test error {100 * numbers['main']['error_rate']:.1f}%" in said
    assert ("a measured gain" in said) == twin
    assert ("no gain is reported" in said) != twin


def test_the_plots_are_what_dvc_draws(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = fake.write().evaluate(monkeypatch)
    confusion = rows(fake.root / "plots/confusion.csv")
    assert len(confusion) == fake.num_test
    assert sum(row["actual"] != row["predicted"] for row in confusion) == numbers["main"]["errors"]
    assert {row["actual"] for row in confusion} == set(fake.classes)
    calibration = rows(fake.root / "plots/calibration.csv")
    for series in ("before", "after"):
        assert sum(int(row["images"]) for row in calibration if row["series"] == series) == fake.num_test
    gaps = [
        int(r["images"]) * abs(float(r["confidence"]) - float(r["accuracy"])) for r in calibration if r["series"] == "after"
    ]
    assert sum(gaps) / fake.num_test == pytest.approx(numbers["main"]["ece_calibrated"], abs=1e-5)
    history = rows(fake.root / "plots/history.csv")
    assert [(row["series"], int(row["step"])) for row in history] == [(r, s) for r in ("main", "twin") for s in (100, 200, 300)]


def test_mistakes_are_the_surest_first_with_their_pixels(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = fake.write().evaluate(monkeypatch)
    kept = pq.read_table(fake.root / "runs/evaluate/mistakes.parquet").to_pydict()
    test = labeled_images(SplitFiles(str(fake.root / "data/splits")), "test").to_pydict()
    assert len(kept["id"]) == numbers["main"]["errors"] > 0
    assert kept["main_prob"] == sorted(kept["main_prob"], reverse=True)
    assert all(label != answer for label, answer in zip(kept["label"], kept["main_pred"], strict=True))
    pixels = dict(zip(test["id"], test["pixels"], strict=True))
    assert kept["pixels"] == [pixels[i] for i in kept["id"]]


def test_the_same_run_gives_the_same_bytes(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> dict[str, bytes]:
        fake.evaluate(monkeypatch)
        folders = ("metrics", "plots", "runs/evaluate")
        return {str(p): p.read_bytes() for f in folders for p in sorted((fake.root / f).iterdir())}

    fake.write()
    assert everything() == everything()


@pytest.mark.parametrize("change", [{"twin": False}, {"num_val": 0}, {"twin": False, "num_val": 0, "generator": False}])
def test_a_missing_part_is_said_and_not_invented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    fake = Fake(tmp_path, **change).write()
    numbers = fake.evaluate(monkeypatch)
    if not fake.twin:
        assert numbers["twin"] is numbers["gain"] is numbers["budget"]["twin_ids_seen"] is None
        assert set(pq.read_table(tmp_path / "runs/evaluate/predictions.parquet")["twin_pred"].to_pylist()) == {None}
    if not fake.num_val:
        assert numbers["main"]["temperature"] == 1.0
        assert "validation holds 0 images" in numbers["main"]["temperature_note"]
        assert numbers["main"]["ece"] == numbers["main"]["ece_calibrated"]
    assert (tmp_path / "runs/evaluate/generated.npy").exists() == fake.generator


def test_no_number_is_written_as_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class without test images has no recall; JSON has no NaN."""
    fake = Fake(tmp_path, num_test=2).write()
    numbers = fake.evaluate(monkeypatch)
    assert numbers["main"]["per_class"][2]["recall"] is None
    assert "NaN" not in (tmp_path / "metrics/evaluate.json").read_text()


@pytest.mark.parametrize("classes", [["no", "yes"], [f"breed {i}" for i in range(40)]])
def test_few_and_many_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: list[str]) -> None:
    numbers = Fake(tmp_path, classes=classes, channels=3, num_labels=len(classes)).write().evaluate(monkeypatch)
    assert [row["class"] for row in numbers["main"]["per_class"]] == classes


def stopped(fake: Fake, monkeypatch: pytest.MonkeyPatch, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fake.evaluate(monkeypatch)
    assert not (fake.root / "metrics/evaluate.json").exists()


def test_changed_weights_stop_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = fake.write().root / "runs/train/main/last/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    stopped(fake, monkeypatch, CheckpointError, "main/last/model.safetensors is not the file that training wrote")


def test_a_lost_file_stops_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake.write().root / "runs/train/twin/last/config.json").unlink()
    stopped(fake, monkeypatch, CheckpointError, "twin/last/config.json is in the manifest but not on disk")


def test_weights_nobody_vouches_for_stop_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake.write().root / "runs/train/main/best"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"dropped in")
    stopped(fake, monkeypatch, CheckpointError, "is not verified")


def test_a_manifest_that_leaves_the_run_stops_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write().write_manifest(files={"../../params.yaml": {"size": 1, "sha256": "0" * 64}})
    stopped(fake, monkeypatch, CheckpointError, "outside the run")


def test_an_unfinished_training_stops_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = fake.write().root / "runs/train/manifest.json"
    manifest.write_text("{")
    stopped(fake, monkeypatch, CheckpointError, "not valid JSON")
    manifest.write_text("{}")
    stopped(fake, monkeypatch, CheckpointError, "format 1")
    manifest.unlink()
    stopped(fake, monkeypatch, CheckpointError, "did not finish")


def test_a_checkpoint_that_was_never_written_stops_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake.write().root / "params.yaml").write_text("evaluate: {checkpoint: best}\n")
    stopped(fake, monkeypatch, CheckpointError, "`evaluate.checkpoint` is 'best'")


@pytest.mark.parametrize(("seen", "words"), [(13, "labels leaked"), (11, "saw only 11 of the 12")])
@pytest.mark.parametrize("role", ["main", "twin"])
def test_another_number_of_labels_stops_it(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, role: str, seen: int, words: str
) -> None:
    fake.write().write_manifest(distinct_labeled_ids_seen={"main": 12, "twin": 12, role: seen})
    stopped(fake, monkeypatch, CheckpointError, words)


@pytest.mark.parametrize("change", [{"label_budget": 11}, {"labeled_ids_sha256": "0" * 64}])
def test_other_labels_than_those_on_disk_stop_it(fake: Fake, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    fake.write().write_manifest(**change)
    stopped(fake, monkeypatch, CheckpointError, "split changed after training")


@pytest.mark.parametrize(
    "pair", [("labeled", "test"), ("labeled", "val"), ("unlabeled", "test"), ("unlabeled", "val"), ("val", "test")]
)
def test_a_planted_leak_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]) -> None:
    fake = Fake(tmp_path, foreign_ids={(pair[0], 3): "1ea4" * 16, (pair[1], 5): "1ea4" * 16}).write()
    stopped(fake, monkeypatch, DataError, f"1 image is in both {pair[0]} and {pair[1]}")


def test_labeled_images_may_be_shown_without_their_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Fake(tmp_path, foreign_ids={("labeled", 3): "0c" * 32, ("unlabeled", 5): "0c" * 32}).write().evaluate(monkeypatch)
    assert numbers["budget"]["labeled_and_unlabeled"] == 1


def test_a_class_that_was_renamed_since_is_the_same_class(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write().classes = ["ant", "wasp", "cat"]  # the model's; the data keeps its own
    stopped(fake, monkeypatch, CheckpointError, "class 1 is 'wasp' in the model and 'bee'")
    registry = ClassRegistry(["ant", "bee", "cat"], {"bee": ["Vespa", "wasp"]})
    (fake.root / "data/splits/classes.json").write_text(to_json(registry))
    numbers = fake.evaluate(monkeypatch)
    assert numbers["classes"] == ["ant", "bee", "cat"]  # today's names


@pytest.mark.parametrize(
    ("classes", "words"), [(["ant", "cat", "bee"], "class 1 is 'cat' in the model and 'bee'"), (["ant", "bee"], "2 classes")]
)
def test_other_classes_stop_it(fake: Fake, monkeypatch: pytest.MonkeyPatch, classes: list[str], words: str) -> None:
    fake.write().classes = classes  # the model's; the data keeps its own
    stopped(fake, monkeypatch, CheckpointError, words)


def test_a_diverged_model_stops_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write()
    monkeypatch.setattr(Fake, "logits", lambda self, role, images: np.full((len(images), 3), np.nan, np.float32))
    stopped(fake, monkeypatch, CheckpointError, "not finite")


def test_a_damaged_history_names_its_line(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    history = fake.write().root / "runs/train/main/history.jsonl"
    history.write_text(json.dumps({"step": 1, "val_error_rate": 0.5}) + "\n{oops\n")
    fake.write_manifest()
    with pytest.raises(CheckpointError, match="line 2"):
        fake.evaluate(monkeypatch)


@pytest.mark.parametrize(("p", "text"), [(0.0, "p < 0.001:"), (0.0123, "p = 0.012:")])
def test_a_probability_is_never_said_to_be_zero(p: float, text: str) -> None:
    role = {"error_rate": 0.1, "error_rate_low": 0.05, "error_rate_high": 0.15}
    gain = {"error_rate": 0.1, "low": 0.05, "high": 0.15, "verdict": "gain", "mcnemar_p": p}
    assert text in describe({"main": role, "twin": role, "gain": gain, "confidence": 0.95, "images": {"test": 100}})
