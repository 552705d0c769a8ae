"""A user's own project: ``ssgan init``, images in class folders with many unlabeled ones, ``dvc repro``, predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from ssgan.data.sources.digits import digits
from tests.pipelines.conftest import SMALL, Project

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
    (images / "0" / "new.png").write_bytes((images.parent / "digits/0").joinpath("0000.png").read_bytes() + b" ")
    assert "ingest" in project.changed()
