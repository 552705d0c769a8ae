"""A project on a backbone of timm, from a local file of weights that may not be used for everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from ssgan.cli.app import run
from tests.support.photos import PARAMS, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAME = "timm:convnextv2_atto.fcmae"  # of the smallest whose license is restrictive (CC-BY-NC-4.0); its weights here are random
CHANGES: dict[str, Any] = {
    "features": {"backbone": NAME, "weights": "weights.safetensors", "dimensions": 8},
    "train": PARAMS["train"] | {"twin": False},
    "gate": {"min_ssl_gain": None, "max_ece": None},
    "method": {"name": "linear_probe"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("another")
    write_photos(folder / "photos", 15)
    torch.manual_seed(0)
    save_file(timm.create_model("convnextv2_atto.fcmae").state_dict(), folder / "weights.safetensors")
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **CHANGES}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in ("ingest", "features", "split", "train", "evaluate"):
            assert run([stage]) == 0, stage
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The last error, of one line."""
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "convnextv2_atto.fcmae under the license 'cc-by-nc-4.0'" in line
    assert "add --accept-license" in line
    return line


def test_an_export_asks_for_the_license_and_keeps_who_accepted_it(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command = ["export", "--format", "safetensors"]
    assert run(command) == 2
    refused(capsys)
    assert not Path("runs/export").exists()
    assert run([*command, "--accept-license"]) == 0
    assert "backbone: convnextv2_atto.fcmae, license cc-by-nc-4.0" in capsys.readouterr().out
    with safe_open("runs/export/model.safetensors", "pt") as file:
        accepted = json.loads(file.metadata()["license_accepted"])
    assert accepted.keys() == {"license", "by", "when"}
    assert accepted["license"] == "cc-by-nc-4.0"


def test_a_promotion_asks_for_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare"]) == 0
    capsys.readouterr()
    assert run(["promote"]) == 2
    refused(capsys)
    assert run(["promote", "--accept-license", "--by", "Ada"]) == 0
    assert "backbone: convnextv2_atto.fcmae, license cc-by-nc-4.0 (accepted)" in capsys.readouterr().out
    assert run(["models", "history"]) == 0
    assert "license cc-by-nc-4.0 accepted, by Ada" in capsys.readouterr().out
    assert run(["models", "show"]) == 0
    assert "license cc-by-nc-4.0 accepted" in capsys.readouterr().out
    assert run(["promote", "--alias", "staging", "--force", "--why", "the same model"]) == 0, "accepted already"
