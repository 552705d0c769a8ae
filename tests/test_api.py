"""``ssgan.load(path).predict(images)`` gives what ``ssgan predict`` writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import ssgan
from ssgan.cli.app import run
from ssgan.errors import CheckpointError, ConfigError, DataError
from ssgan.registry.registry import Reason, Registry
from ssgan.registry.version import assemble
from tests.support.trained_project import project_to_predict


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project_to_predict(trained, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images() -> list[Path]:
    return sorted(Path("new/below").iterdir())


def promise(threshold: float) -> None:
    path = Path("metrics/evaluate.json")
    numbers = json.loads(path.read_text())
    numbers["main"]["abstention"] = {"max_risk": 0.1, "threshold": threshold, "note": "chosen on val"}
    path.write_text(json.dumps(numbers))


def test_paths_get_the_answers_of_the_command(project: Path) -> None:
    promise(0.6)
    assert run(["predict", "new", "--out", "answers.parquet", "--top-k", "10"]) == 0
    rows = {f"new/{row['path']}": row for row in pq.read_table("answers.parquet").to_pylist()}
    model = ssgan.load("runs/train/main/last")
    found = model.predict(images())
    assert model.published.model_id == next(iter(rows.values()))["model_id"]
    assert len(found) == 30
    for path, label, probabilities, abstain in zip(images(), found.labels, found.probabilities, found.abstain, strict=True):
        row = rows[str(path)]
        assert label == row["label"]
        assert probabilities[found.classes.index(label)] == pytest.approx(row["probability"], abs=1e-6)
        assert probabilities[found.classes.index(row["label_10"])] == pytest.approx(row["probability_10"], abs=1e-6)
        assert abstain == (row["abstain"] == "yes")
    assert {True, False} == set(found.abstain.tolist())


def test_what_is_in_memory_counts_as_a_file_does(project: Path) -> None:
    model = ssgan.load("runs/train/main/last")
    expected = model.predict(images())
    opened = [Image.open(path) for path in images()]
    arrays = [np.asarray(image) for image in opened]
    color = np.stack([np.repeat(array[..., None], 3, axis=2) for array in arrays])
    for given in (opened, arrays, color, iter([str(path) for path in images()])):
        np.testing.assert_allclose(model.predict(given).probabilities, expected.probabilities, atol=1e-6)
    for single in (images()[0], str(images()[0]), opened[0], arrays[0]):
        assert model.predict(single).labels == expected.labels[:1]
    large = opened[0].resize((200, 300))
    large.save("large.png")
    assert model.predict([large]).probabilities == pytest.approx(model.predict("large.png").probabilities, abs=1e-6)
    assert len(model.predict([])) == 0


def test_a_photo_in_memory_is_turned_upright(project: Path) -> None:
    model, exif = ssgan.load("runs/train/main/last"), Image.Exif()
    exif[0x0112] = 6
    image = Image.open(images()[0])
    image.transpose(Image.Transpose.ROTATE_90).save("turned.png", exif=exif)
    for given in ("turned.png", Image.open("turned.png")):
        assert model.predict(given).probabilities == pytest.approx(model.predict(images()[0]).probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("new/notes.txt", r"images\[1\] \('new/notes.txt'\) is not a readable image: not_an_image"),
        ("nowhere.png", r"images\[1\] \('nowhere.png'\) .* No such file"),
        (np.zeros((4, 4)), r"images\[1\] .* uint8 .* not float64 \(4, 4\)"),
        (np.zeros((3, 4, 5), np.uint8), r"images\[1\] .* not uint8 \(3, 4, 5\)"),
        (7, r"images\[1\] .* it is a int"),
    ],
    ids=["text", "missing", "floats", "channels first", "number"],
)
def test_what_is_no_image_is_named(project: Path, bad: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        ssgan.load("runs/train/main/last").predict([images()[0], bad])


def test_a_project_a_run_and_a_model_are_the_same_model(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = {ssgan.load(tmp_path / name).published for name in (".", "runs/train", "runs/train/main/last")}
    assert len(found) == 1
    assert found.pop().evaluated
    numbers = json.loads((tmp_path / "metrics/evaluate.json").read_text()) | {"checkpoint": "best"}
    (tmp_path / "metrics/evaluate.json").write_text(json.dumps(numbers))
    assert "/main/best@" in ssgan.load(tmp_path).published.model_id


def test_a_name_of_the_registry(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "storage"))
    version = assemble(trained, tmp_path / "version")
    registry.add(version)
    registry.move("champion", version.id, None, Reason("me", "forced"))
    (tmp_path / "params.yaml").write_text(f"storage: {{url: {tmp_path / 'storage'}}}\n")
    monkeypatch.chdir(tmp_path)
    for name in ("champion", version.id):
        model = ssgan.load(name)
        assert model.published.evaluated
        assert model.published.model_id == ssgan.load(trained).published.model_id
        assert len(model.predict(np.zeros((5, 20, 30, 3), np.uint8))) == 5
    with pytest.raises(ConfigError, match="no model is named 'challenger'"):
        ssgan.load("challenger")
    Path("params.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"champion is no folder, and without params\.yaml here it is no name"):
        ssgan.load("champion")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import ssgan, sys; assert callable(ssgan.load); print({'torch', 'numpy', 'pydantic', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
