"""A project on features, from image files to a model that leaves: every command takes part."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import ssgan
from ssgan.cli.app import run
from ssgan.data import removal
from ssgan.evaluation.rows import answer
from ssgan.features.files import FeatureFiles
from tests.support.photos import PARAMS, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    write_photos(folder / "photos", 30)
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in ("ingest", "features", "split", "train", "evaluate", "report"):
            assert run([stage]) == 0, stage
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_three_rows_are_compared_in_pairs() -> None:
    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    rows = metrics["rows"]
    assert rows["probe"]["error_rate"] == metrics["twin"]["error_rate"]
    assert rows["method"]["error_rate"] == metrics["main"]["error_rate"]
    assert rows["method"]["over_probe"]["error_rate"] == pytest.approx(metrics["gain"]["error_rate"])
    expected = rows["probe"]["error_rate"] - rows["auto"]["error_rate"]
    assert rows["auto"]["over_probe"]["error_rate"] == pytest.approx(expected, abs=1e-6)
    assert rows["auto"]["chosen"] in ("linear_probe", "label_spreading", "self_training")
    page = Path("report/index.html").read_text()
    for part in (answer(rows).split(".")[0][:40], "on features of efficientnet_lite0", "Apache-2.0"):
        assert part in page


def test_the_manifest_names_the_backbone_and_its_license() -> None:
    manifest = json.loads(Path("runs/train/manifest.json").read_text())
    assert (manifest["backbone"]["name"], manifest["backbone"]["license"]) == ("efficientnet_lite0", "Apache-2.0")
    assert set(manifest["seconds"]) == {"main", "twin", "auto"}


def test_files_and_the_pool_get_the_same_answers(tmp_path: Path) -> None:
    """Files through the backbone, the pool through the stored features: the same images, the same probabilities."""
    assert run(["predict", "photos", "--out", str(tmp_path / "files.parquet")]) == 0
    assert run(["predict", "--pool", "data/images", "--out", str(tmp_path / "pool.parquet")]) == 0
    answers = []
    for name in ("files", "pool"):
        table = pq.read_table(tmp_path / f"{name}.parquet").sort_by("id")
        answers.append((table["id"].to_pylist(), table["label"].to_pylist(), table["probability"].to_numpy()))
    assert answers[0][:2] == answers[1][:2]
    np.testing.assert_allclose(answers[0][2], answers[1][2], atol=5e-3)


def test_a_program_gets_the_same_answers(tmp_path: Path) -> None:
    assert run(["predict", "photos", "--out", str(tmp_path / "files.parquet")]) == 0
    rows = pq.read_table(tmp_path / "files.parquet").to_pylist()[::7]
    found = ssgan.load().predict([Path("photos", row["path"]) for row in rows])
    assert list(found.labels) == [row["label"] for row in rows]
    np.testing.assert_allclose(found.probabilities.max(1), [row["probability"] for row in rows], atol=1e-5)


def test_the_export_takes_images(tmp_path: Path) -> None:
    out = tmp_path / "model.pt2"
    assert run(["export", "--format", "torch-export", "--out", str(out)]) == 0
    import torch

    model = torch.export.load(out).module()
    probabilities, labels, _ = model(torch.randint(0, 256, (3, 300, 280, 3), dtype=torch.uint8))
    assert probabilities.shape == (3, 2)
    assert torch.equal(probabilities.argmax(1), labels)
    assert run(["predict", "photos", "--out", str(tmp_path / "files.parquet")]) == 0
    expected = {row["path"]: row for row in pq.read_table(tmp_path / "files.parquet").to_pylist()}
    for path in sorted(Path("photos").rglob("*.jpg"))[::20]:
        (probabilities,), (label,), _ = model(torch.from_numpy(np.array(Image.open(path)))[None])
        assert abs(float(probabilities[label]) - expected[str(path.relative_to("photos"))]["probability"]) < 5e-3


def test_choosing_and_auditing_work_on_features(tmp_path: Path) -> None:
    assert run(["next", "--budget", "6", "--out", str(tmp_path / "next")]) == 0
    assert len((tmp_path / "next/queue.csv").read_text().splitlines()) == 7
    assert run(["audit", "--out", str(tmp_path / "audit")]) == 0


def test_a_model_of_features_does_not_judge_pixels(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    params = Path("params.yaml").read_text()
    changed = {**PARAMS, "features": {}, "net": {"family": "mlp"}}
    try:
        Path("params.yaml").write_text(yaml.safe_dump(changed))
        assert run(["evaluate"]) == 2
    finally:
        Path("params.yaml").write_text(params)
    assert "learned on features of efficientnet_lite0, but features.backbone is null" in capsys.readouterr().err


def test_removed_images_leave_their_features_too(project: Path) -> None:
    """Last: it changes the project."""
    files = FeatureFiles(str(next((project / "data/features").iterdir())))
    victim = hashlib.sha256(Path("photos/spots/3.jpg").read_bytes()).hexdigest()
    left = [one.hex() for ids, _ in files.groups() for one in map(bytes, ids) if one.hex() != victim]
    before = files.read(left)
    assert run(["remove", "spots/3.jpg", "--reason", "asked for"]) == 3, "the raw file is left to a person"
    assert not any(removal.holders(Path("data"), {victim}))
    assert np.array_equal(FeatureFiles(files.root).read(left), before)
    for stage in ("ingest", "features", "split", "train", "evaluate"):
        assert run([stage]) == 0, stage
    assert not any(removal.holders(Path("data"), {victim}))
