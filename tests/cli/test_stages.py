"""The stages without DVC, and the few lines at the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ssgan.cli.app import run
from ssgan.cli.summary import describe
from ssgan.config import load
from ssgan.fitting.self_training import ROUNDS
from ssgan.project.stage_times import RUNS, seconds
from ssgan.runs.overview import details, headline, seconds_of
from tests.support.data import ON_FEATURES
from tests.support.data import config as small

NUMBERS: dict[str, Any] = {
    "images": {"test": 350},
    "confidence": 0.95,
    "budget": {"label_budget": 40},
    "main": {"error_rate": 0.0457142, "errors": 16},
    "twin": {"error_rate": 0.12, "errors": 42},
    "gain": {"error_rate": 0.0742857, "low": 0.0457, "high": 0.1029, "verdict": "gain", "detectable": 0.09, "needed": 412},
}


def test_the_stages_leave_what_they_promise(trained: Path) -> None:
    data = ("data/images", "data/index", "data/splits/test.parquet")
    for path in (*data, "runs/train/manifest.json", "metrics/evaluate.json", "report/index.html"):
        assert (trained / path).exists(), path
    manifest = json.loads((trained / "runs/train/manifest.json").read_text())
    took = sum(manifest["seconds"].values())
    assert seconds(trained / RUNS) == {manifest["run_id"]: pytest.approx(took, abs=0.06)}, "for `ssgan runs`"


def test_training_says_once_what_it_will_do(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "again")
    monkeypatch.chdir(tmp_path / "again")
    assert run(["train"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("training feature matching: 20 steps, then supervised on the labels alone; about 0:0")
    assert not [line for line in others if "batch_size" in line], "the details are for those who ask"
    assert run(["train", "--verbose"]) == 0
    assert capsys.readouterr().out.count("semi-supervised model: feature_matching") == 1


def test_how_long_it_takes_is_said_of_the_same_kind_of_training_only(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    config, last = load(), Path("runs/train")
    took = sum(json.loads((last / "manifest.json").read_text())["seconds"].values())
    assert seconds_of(config, last) == pytest.approx(took)
    longer = config.model_copy(update={"train": config.train.model_copy(update={"steps": 2000})})
    assert seconds_of(longer, last) == pytest.approx(100 * took)
    other = config.model_copy(update={"method": config.method.model_copy(update={"name": "fixmatch"})})
    assert seconds_of(other, last) is None
    assert seconds_of(config, Path("nowhere")) is None
    assert headline(other, last) == "training fixmatch: 20 steps, then supervised on the labels alone"


def test_the_resolved_config_is_shown_and_written_into_the_run(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    config = load()
    assert json.loads((trained / "runs/train/manifest.json").read_text())["config"] == json.loads(config.model_dump_json())
    text = details(config)
    assert "20 steps" in text
    assert "semi-supervised model: feature_matching (batch_size 100" in text
    assert "supervised baseline: supervised (batch_size 100" in text


def test_train_shows_the_config_and_only_fetches_a_finished_run(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    weights = (trained / "runs/train/main/last/model.safetensors").read_bytes()
    assert run(["train"]) == 0
    out = capsys.readouterr().out
    assert "images/s" not in out  # no step was taken
    assert (trained / "runs/train/main/last/model.safetensors").read_bytes() == weights


def test_summary_tells_both_errors_and_the_interval(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    assert run(["summary"]) == 0
    numbers, out = json.loads((trained / "metrics/evaluate.json").read_text()), capsys.readouterr().out
    for role in ("main", "twin"):
        assert f"{numbers[role]['error_rate']:.1%} error, {numbers[role]['errors']} of" in out
    assert f"{100 * numbers['gain']['low']:.1f} to {100 * numbers['gain']['high']:.1f}" in out
    assert "report: report/index.html" in out


def test_what_is_fitted_at_once_shows_what_it_depends_on() -> None:
    lines = details(small(**ON_FEATURES, method={"name": "self_training", "options": {}})).splitlines()
    assert f"semi-supervised model: self_training (shares estimated, rounds {ROUNDS})" in lines
    assert len(lines) == len(set(lines)), "nothing is said twice"


def test_the_lines_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe(NUMBERS).endswith("report: not there (any more); `dvc repro report` makes it")
    Path("report").mkdir()
    Path("report/index.html").touch()
    assert describe(NUMBERS).strip().splitlines() == [
        "semi-supervised model      4.6% error, 16 of 350 test images",
        "its supervised baseline   12.0% error, 42 of 350 test images (same network, same 40 labels, no unlabeled images)",
        "difference                 7.4 percentage points, 95% interval 4.6 to 10.3: the unlabeled images helped",
        "report: report/index.html",
    ]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("none", "no measurable difference"),
        ("harm", "images hurt"),
        ("too_few", "350 test images show no difference below 9.0 points"),
    ],
)
def test_a_run_without_gain_is_not_praised(verdict: str, words: str) -> None:
    text = describe(NUMBERS | {"gain": NUMBERS["gain"] | {"verdict": verdict}})
    assert words in text
    assert "helped" not in text


def test_without_a_twin_no_gain_is_claimed() -> None:
    text = describe(NUMBERS | {"gain": None, "twin": None})
    assert "no supervised baseline was trained, so the gain is not known" in text
    assert "difference" not in text
