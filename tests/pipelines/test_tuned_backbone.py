"""A backbone that is fine-tuned on a project's own images, and takes the place of the one that it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from ssgan import backbones
from ssgan.cli.app import run
from ssgan.config import load
from ssgan.data.files import SplitFiles
from ssgan.features import fine_tuning
from ssgan.runs.publish import local_splits
from tests.support.photos import PARAMS, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OUT = "backbones/tuned.safetensors"
METHOD: dict[str, Any] = {"method": {"name": "linear_probe"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    write_photos(folder / "photos", 15)
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **METHOD}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in ("ingest", "features", "split"):
            assert run([stage]) == 0, stage
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_the_answers_are_the_labels_and_some_of_every_class_and_nothing_of_val_or_test(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, files = load(), local_splits(load(), Path("data/splits"))
    seen: list[list[str]] = []
    originals = fine_tuning.originals

    def recorded(config: Any, backbone: Any, index: Path, ids: list[str]) -> Any:
        seen.append(ids)
        return originals(config, backbone, index, ids)

    monkeypatch.setattr(fine_tuning, "originals", recorded)
    settings = fine_tuning.Settings(images=12, size=64)
    lines = list(fine_tuning.fine_tune(config, files, Path("data/index"), settings, project / "other.safetensors"))
    (ids,) = seen
    assert set(files.ids("labeled")) <= set(ids)
    assert not set(ids) & {*files.ids("val"), *files.ids("test")}
    assert len(ids) <= len({*files.ids("labeled"), *files.ids("unlabeled")[:12]})
    assert lines[0].startswith("learning from 8 labels and the most confident predictions for ")
    answers, _, _ = fine_tuning.surest_answers(config, files, files.ids("unlabeled"), 0.5)
    labels = dict(zip(files.ids("labeled"), files.labels("labeled").tolist(), strict=True))
    given = dict(zip(files.ids("unlabeled"), answers.tolist(), strict=True))
    assert all(given[one] == label for one, label in labels.items())
    assert set(answers.tolist()) == {-1, 0, 1}


def test_a_tuned_backbone_is_used_like_any_other(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backbones", "tune", "--images", "16", "--passes", "8", "--size", "64"]) == 0
    said = capsys.readouterr().out
    assert f"features.backbone: timm:tf_efficientnet_lite0, features.weights: {OUT}" in said
    first, last = (float(word) for word in said.split("cross-entropy ")[1].replace(" at first,", "").split()[:2])
    assert last < first
    with safe_open(OUT, "pt") as file:
        about = json.loads(file.metadata()["ssgan"])
    assert backbones.embedded.record().sha256[:12] in about["source"]
    built = backbones.provider("timm").build(backbones.embedded.record(), backbones.embedded.weights())
    before = built.state_dict()
    after = load_file(OUT)
    changed = [name for name, value in after.items() if not np.array_equal(value, before[f"network.{name}"])]
    assert changed
    assert not [name for name in changed if "running" in name], "statistics of batch normalization stay"
    try:
        features = PARAMS["features"] | {"backbone": "timm:tf_efficientnet_lite0", "weights": OUT}
        Path("params.yaml").write_text(yaml.safe_dump({**PARAMS, **METHOD, "features": features}))
        for stage in ("features", "split", "train", "evaluate"):
            assert run([stage]) == 0, stage
        assert run(["backbones", "compare", "efficientnet_lite0", f"timm:tf_efficientnet_lite0={OUT}"]) == 0
    finally:
        Path("params.yaml").write_text(yaml.safe_dump({**PARAMS, **METHOD}))
    assert f"timm:tf_efficientnet_lite0={OUT}" in capsys.readouterr().out
    manifest = json.loads(Path("runs/train/manifest.json").read_text())
    assert manifest["backbone"]["source"].startswith("fine-tuned from weights with sha256 ")
    assert manifest["backbone"]["size"] == 64, "that of the tuning"
    assert SplitFiles("data/splits").num_rows("test") > 0


def test_what_cannot_be_tuned_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        Path("params.yaml").write_text(yaml.safe_dump({**PARAMS, **METHOD, "features": {}}))
        assert run(["backbones", "tune"]) == 2
    finally:
        Path("params.yaml").write_text(yaml.safe_dump({**PARAMS, **METHOD}))
    assert "`features.backbone` is null; name one" in capsys.readouterr().err
