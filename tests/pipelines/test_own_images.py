"""A user's own project: ``ssgan init``, images in class folders with many unlabeled ones, ``dvc repro``, predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from ssgan.data.sources.digits import digits
from ssgan.provenance import file_sha256
from tests.pipelines.conftest import SMALL, Project
from tests.support.closure import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes with 60 images each, and 100 images of both without a class."""
    digits(str(tmp_path / "digits"))
    folder = tmp_path / "images"
    for name in ("0", "1"):
        for number, path in enumerate(sorted((tmp_path / "digits" / name).iterdir())[:110]):
            target = folder / (name if number < 60 else "unlabeled")
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    (folder / "0" / "notes.txt").write_text("not an image")
    return folder


def assert_there_is_a_way_back(project: Project) -> None:
    """From `dvc exp run`, as the quick start and the project's README say."""
    project.commit("first results")
    command = "git checkout . && dvc checkout"
    for page in (project.folder / "README.md", ROOT / "docs/quickstart.md"):
        assert command in page.read_text()
    options = project.params()["method"]["options"]
    assert options.get("lr_tail") != 0.25  # type: ignore[attr-defined]
    before = file_sha256(project.folder / "runs/train/main/last/model.safetensors")
    project("dvc", "exp", "run", "-S", "++method.options.lr_tail=0.25")
    assert project.params()["method"]["options"] == {**options, "lr_tail": 0.25}  # type: ignore[dict-item]
    assert file_sha256(project.folder / "runs/train/main/last/model.safetensors") != before
    project("bash", "-c", command)
    assert project.params()["method"]["options"] == options
    assert file_sha256(project.folder / "runs/train/main/last/model.safetensors") == before
    assert "up to date" in project("dvc", "repro").stdout


def test_from_a_folder_to_predictions(images: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "mine", tmp_path)
    project.folder.mkdir()
    project("ssgan", "init", "--images", str(images), "--image-size", "8", "--channels", "1")
    params = project.params()
    for section, values in SMALL.items():
        params[section] |= values
    params["net"]["family"] = "mlp"
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    project("ssgan", "doctor")
    project("dvc", "repro")

    ingest, split = (json.loads((project.folder / f"metrics/{name}.json").read_text()) for name in ("ingest", "split"))
    assert (ingest["accepted"], ingest["rejected_by_reason"]) == (220, {"not_an_image": 1})
    assert split["labeled"] + split["val"] + split["test"] == 120
    assert split["unlabeled"] + split["reserved"] == 100
    assert "error, " in project("ssgan", "summary").stdout

    out = project("ssgan", "predict", str(images / "unlabeled")).stdout
    assert "100 files = 100 predicted + 0 duplicates + 0 rejected -> predictions.parquet" in out
    predicted = pq.read_table(project.folder / "predictions.parquet")
    assert set(predicted["label"].to_pylist()) == {"0", "1"}

    assert "up to date" in project("dvc", "repro").stdout
    assert_there_is_a_way_back(project)
    (images / "0" / "new.png").write_bytes((images.parent / "digits/0").joinpath("0000.png").read_bytes() + b" ")
    assert "ingest" in project.changed()
