"""The model card: what the Hub reads at its head, and what people read below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssgan.registry.version import Version, assemble
from ssgan.report.card import approvals, card, plain
from tests.support.finished_project import finished


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[Version, dict[str, Any], str]:
    version = assemble(finished(tmp_path / "project", monkeypatch, **changes), tmp_path / "version")
    _, head, body = (version.folder / "README.md").read_text().split("---\n", 2)
    return version, yaml.safe_load(head), body


def test_the_head_is_a_model_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version, head, _ = made(tmp_path, monkeypatch)
    (model,) = head["model-index"]
    (result,) = model["results"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    main = version.metrics["main"]
    assert values["error_rate"] == main["error_rate"]
    assert values["accuracy"] == pytest.approx(1 - main["error_rate"])
    assert result["task"]["type"] == head["pipeline_tag"] == "image-classification"
    assert {"type", "name", "split", "revision"} == set(result["dataset"])  # type and name are what the Hub demands
    assert result["dataset"]["revision"] == version.split["sets"]["test"]["ids_sha256"]


def test_it_tells_data_labels_seeds_numbers_and_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version, _, body = made(tmp_path, monkeypatch)
    main = version.metrics["main"]
    for part in (
        f"| error rate | {main['error_rate']:.1%} | {main['error_rate_low']:.1%} to {main['error_rate_high']:.1%} |",
        "| label budget | 12; distinct labeled images seen: 12 |",
        "| `train.seed` | 0 |",
        "| `split.split_seed` | 0 |",
        f"| labeled | 12 | `{version.training['labeled_ids_sha256']}` |",
        "| `data_version` | `def456` |",
        "Weakest classes:",
    ):
        assert part in body
    assert body.count("\n| ant |") == 1


def test_what_was_fitted_at_once_took_no_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version, _, body = made(tmp_path, monkeypatch)
    fitted = card(version.metrics, {**version.training, "fitted": {"main": "linear_probe"}}, version.split)
    assert [" steps" in text for text in (body, fitted)] == [True, False]
    assert "fitted at once" in fitted


def test_a_run_without_twin_says_what_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, body = made(tmp_path, monkeypatch, twin=False)
    assert "No supervised baseline was trained" in body
    assert "gain from the unlabeled images, percentage" not in body


def test_names_of_strangers_stay_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, head, body = made(tmp_path, monkeypatch, classes=["ant", "<script>|x", "*bee*\n# big"])
    assert "<script>" not in body.replace("\\<script", "")
    assert "\n# big" not in body
    assert head["model-index"]
    assert plain("a|b\n") == r"a\|b\\u000a"


def test_the_approval_of_a_model_that_nobody_promoted() -> None:
    assert approvals([]).endswith("## Approval\n\nIt was never promoted.\n")


@pytest.mark.parametrize("folder", ["/data/ada/photos", "../photos", "C:\\Users\\ada\\photos", "photos/"])
def test_it_does_not_say_where_the_images_lay_on_one_machine(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, _, _ = made(tmp_path, monkeypatch)
    training = json.loads(json.dumps(version.training))
    training["config"]["data"]["source"] = {"kind": "folder", "path": folder}
    text = card(version.metrics, training, version.split)
    assert "folder: photos" in text
    assert "ada" not in text
    assert ".." not in text
    training["config"]["data"]["source"] = {"kind": "s3", "url": "s3://lab/raw"}
    assert "s3: s3://lab/raw" in card(version.metrics, training, version.split)
