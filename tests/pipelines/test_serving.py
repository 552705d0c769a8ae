"""``evaluate.serve: safest``: the supervised baseline is handed out unless validation images favor the method."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest

import ssgan
import ssgan.api  # before a fake stands in the place of ssgan.model
from ssgan.cli import summary
from ssgan.cli.model_option import model_folder
from ssgan.config import Config, EvaluateConfig, GateConfig, ReportConfig, parse
from ssgan.errors import ConfigError
from ssgan.evaluation import serving
from ssgan.evaluation.gate import judge_gate
from ssgan.evaluation.judge import ModelEvaluation
from ssgan.evaluation.published import handed_out, published
from ssgan.project.runs import runs
from ssgan.provenance import ids_sha256
from ssgan.registry.version import Version, assemble
from ssgan.report import ReportInputs, render
from tests.support.fake_run import Fake

GOOD, BAD = 0.2, 3.0  # noise of the logits


def project(root: Path, monkeypatch: pytest.MonkeyPatch, main: float, twin: float, serve: str = "safest") -> dict[str, Any]:
    """The metrics of a project in which a model is the better, the less noise it has."""
    root.mkdir(exist_ok=True)
    fake = Fake(root, blur={"main": main, "twin": twin}).write()
    (root / "params.yaml").write_text(f"method: {{name: feature_matching}}\nevaluate: {{serve: {serve}}}\n")
    return fake.evaluate(monkeypatch)


def answers(root: Path, role: str) -> list[int]:
    found: list[int] = pq.read_table(root / "runs/evaluate/predictions.parquet")[f"{role}_pred"].to_pylist()
    return found


def test_a_method_that_val_favors_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project(tmp_path, monkeypatch, GOOD, BAD) == project(tmp_path, monkeypatch, GOOD, BAD, "method")
    assert handed_out(tmp_path / "runs/train", tmp_path / "metrics/evaluate.json") == tmp_path / "runs/train/main/last"


def test_otherwise_the_baseline_is_the_model_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    plain, safe = project(one, monkeypatch, BAD, GOOD, "method"), project(other, monkeypatch, BAD, GOOD)
    assert safe["main"] == plain["twin"]
    assert safe["twin"] is safe["gain"] is None
    assert answers(other, "main") == answers(one, "twin")
    out = safe["left_out"]
    assert (out["method"], out["val_images"]) == ("feature_matching", 40)
    assert out["val_errors"] > out["val_errors_of_baseline"]
    assert {key: out[key] for key in serving.SCORES} == {key: plain["main"][key] for key in serving.SCORES}
    assert out["gain"] == {key: value for key, value in plain["gain"].items() if key != "share_of_errors_removed"}


@pytest.mark.parametrize(
    ("main", "twin", "role"), [([1, 1, 1, 0], [1, 1, 0, 0], "main"), ([1, 1, 0, 0], [1, 1, 0, 0], "twin"), ([0], [1], "twin")]
)
def test_val_alone_decides_and_a_tie_goes_to_the_baseline(main: list[int], twin: list[int], role: str) -> None:
    """The answers on test say the opposite each time."""
    scores = dict.fromkeys(serving.SCORES, 0)
    on_test = {"main": np.array([role == "twin"] * 9), "twin": np.array([role == "main"] * 9)}
    judged = {
        name: cast(ModelEvaluation, SimpleNamespace(val_right=np.array(val, bool), right=on_test[name], metrics=scores))
        for name, val in (("main", main), ("twin", twin))
    }
    assert serving.served(judged, "gan", EvaluateConfig()) == (judged["main"], judged["twin"], {})
    found = serving.served(judged, "gan", EvaluateConfig(serve="safest"))
    assert found.main is judged[role]
    assert found.twin is {"main": judged["twin"], "twin": None}[role]
    assert ("left_out" in found.facts) == (role == "twin")


def test_everything_that_uses_the_model_uses_the_one_that_is_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = project(tmp_path, monkeypatch, BAD, GOOD)
    monkeypatch.chdir(tmp_path)
    folder, weights = Path("runs/train/twin/last"), b"twin" * 10
    assert model_folder(None) == folder
    assert model_folder(Path("mine")) == Path("mine")
    assert published(folder, Path("metrics/evaluate.json")).evaluated
    other = published(Path("runs/train/main/last"), Path("metrics/evaluate.json"))
    assert not other.evaluated
    assert "twin/last is handed out in its place" in other.note
    version = assembled(tmp_path)
    assert (version.folder / "model.safetensors").read_bytes() == weights
    assert published(version.folder, Path("nowhere")).evaluated
    card = (version.folder / "README.md").read_text()
    assert "by the method `supervised` on 12 labeled images alone" in card
    assert "so the baseline is handed out" in card
    (rule,) = (rule for rule in judge_gate(None, metrics, GateConfig()) if rule.name == "gain over the baseline")
    assert rule.passed
    assert runs(tmp_path)[-1].method == "baseline of feature_matching"
    said = summary.describe(metrics)
    assert "supervised baseline" in said.splitlines()[1]
    assert "wrong, its supervised baseline" in said


def assembled(root: Path) -> Version:
    test = pq.read_table(root / "runs/evaluate/predictions.parquet")["id"].to_pylist()
    sets = {name: {"images": len(test), "ids_sha256": ids_sha256(test)} for name in ("labeled", "unlabeled", "val", "test")}
    (root / "data/splits/split.json").write_text(json.dumps({"sets": sets}))
    return assemble(root, root / "version")


def test_a_run_that_was_not_evaluated_yet_hands_out_its_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, BAD, GOOD)
    manifest = json.loads((tmp_path / "runs/train/manifest.json").read_text()) | {"run_id": "a-later-run"}
    (tmp_path / "runs/train/manifest.json").write_text(json.dumps(manifest))
    assert handed_out(tmp_path / "runs/train", tmp_path / "metrics/evaluate.json") == tmp_path / "runs/train/main/last"


def test_without_validation_images_there_is_nothing_to_choose_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path, num_val=0).write()
    (tmp_path / "params.yaml").write_text("evaluate: {serve: safest}\n")
    with pytest.raises(ConfigError, match=r"evaluate\.serve is safest.* there are none; set split\.val_fraction above 0"):
        fake.evaluate(monkeypatch)
    assert not (tmp_path / "metrics/evaluate.json").exists()


def test_without_a_baseline_there_is_nothing_to_hand_out() -> None:
    with pytest.raises(ConfigError, match=r"^params: `evaluate\.serve` is safest, but `train\.twin` is false"):
        parse(Config, {"evaluate": {"serve": "safest"}, "train": {"twin": False}}, "params")


def test_loading_a_project_gives_the_model_that_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, BAD, GOOD)
    monkeypatch.setattr("ssgan.api.load_model", lambda folder: folder)
    model = ssgan.load(tmp_path)
    assert "/twin/last@" in model.published.model_id
    assert model.model == tmp_path / "runs/train/twin/last"


def test_the_page_says_why_the_baseline_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = project(tmp_path, monkeypatch, BAD, GOOD)
    monkeypatch.chdir(tmp_path)
    render(ReportInputs(), tmp_path / "report", ReportConfig())
    text = (tmp_path / "report/index.html").read_text()
    assert serving.sentence(metrics) in text
    assert "a gain over the baseline of \N{MINUS SIGN}" in text
    assert "Training time, method" in text
    assert re.search("(?s)While training.*with unlabeled images.*labels alone", text), "both curves keep their names"
    assert "Validation images chose the baseline, so it is the model of this page." in text
