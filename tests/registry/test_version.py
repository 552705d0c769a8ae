"""A version is gathered from a run that is whole and evaluated, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.errors import CheckpointError, DataError
from ssgan.registry.version import assemble, name_of, open_version
from tests.support.finished_project import finished

MODEL = {"model.safetensors", "config.json", "classes.json", "README.md"}
EVIDENCE = {"metrics.json", "predictions.parquet", "mistakes.parquet", "training.json", "split.json"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return finished(tmp_path / "project", monkeypatch)


def test_the_folder_is_laid_out_as_on_the_hub(project: Path, tmp_path: Path) -> None:
    version = assemble(project, tmp_path / "version")
    assert {path.name for path in version.folder.iterdir()} == MODEL | EVIDENCE
    assert json.loads((version.folder / "classes.json").read_text())["classes"] == ["ant", "bee", "cat"]
    assert version.folder.joinpath("model.safetensors").read_bytes() == b"main" * 10


def test_the_name_is_the_same_from_everywhere_and_changes_with_every_file(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = assemble(project, tmp_path / "one")
    assert assemble(project / "runs/train", tmp_path / "two").id == version.id
    monkeypatch.chdir(project)
    assert assemble(Path(), tmp_path / "three").id == version.id
    names = {version.id}
    for path in sorted(version.folder.iterdir()):
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        names.add(name_of(version.folder))
        path.write_bytes(before)
    assert len(names) == 1 + len(MODEL | EVIDENCE)
    assert open_version(version.folder, version.id).id == version.id
    (version.folder / "README.md").write_text("better than it is")
    with pytest.raises(CheckpointError, match="they were changed; do not use them"):
        open_version(version.folder, version.id)


def test_an_evaluation_of_another_run_is_refused(project: Path, tmp_path: Path) -> None:
    path = project / "metrics/evaluate.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run_id": "run-b"}))
    with pytest.raises(DataError, match="is about run-b, but run-a is trained; run `dvc repro evaluate`"):
        assemble(project, tmp_path / "version")


def test_a_changed_model_is_refused(project: Path, tmp_path: Path) -> None:
    (project / "runs/train/main/last/model.safetensors").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="not the file that training wrote"):
        assemble(project, tmp_path / "version")


def test_answers_that_do_not_belong_to_the_numbers_are_refused(project: Path, tmp_path: Path) -> None:
    path = project / "runs/evaluate/predictions.parquet"
    table = pq.read_table(path)
    wrong = pa.array([(k + 1) % 3 for k in table["label"].to_pylist()], pa.int32())
    pq.write_table(table.set_column(table.column_names.index("main_pred"), "main_pred", wrong), path)
    with pytest.raises(DataError, match=r"not the table behind metrics/evaluate.json"):
        assemble(project, tmp_path / "version")


def test_answers_about_yesterday_s_test_set_are_refused(project: Path, tmp_path: Path) -> None:
    path = project / "data/splits/split.json"
    split = json.loads(path.read_text())
    split["sets"]["test"]["ids_sha256"] = "0" * 64
    path.write_text(json.dumps(split))
    with pytest.raises(DataError, match="other images than today's test set"):
        assemble(project, tmp_path / "version")


@pytest.mark.parametrize("name", ["runs/evaluate/predictions.parquet", "metrics/evaluate.json", "data/splits/split.json"])
def test_what_is_missing_is_named(project: Path, tmp_path: Path, name: str) -> None:
    (project / name).unlink()
    with pytest.raises(DataError, match=f"{name} does not exist"):
        assemble(project, tmp_path / "version")
