"""The DVC stage: what it writes, prints and returns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import split as stage
from ssgan.config import SplitConfig
from ssgan.data import classes
from ssgan.data.files import SplitFiles
from ssgan.errors import DataError
from tests.support.closure import ROOT
from tests.support.split_project import Copy, Image, Project, images_of


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project folder after ``ingest``, and the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "params.yaml").write_text("split:\n  num_labels: 4\n")
    project = Project(tmp_path / "data").copies([])
    return project.images(images_of({"cat": 40, "dog": 40}))


def test_what_the_stage_leaves(data: Project, capsys: pytest.CaptureFixture[str]) -> None:
    stage.run()
    metrics = json.loads(Path("metrics/split.json").read_text())
    assert metrics["labeled"] == 4
    assert metrics["unlabeled"] + metrics["val"] + metrics["test"] == metrics["images"] == 80
    assert classes.load(Path("classes.json")).names == ["cat", "dog"]
    out = capsys.readouterr().out
    assert "labeled" in out
    assert "2 to 2" in out
    assert "new classes: cat, dog" in out
    stage.run()
    assert json.loads(Path("metrics/split.json").read_text()) == metrics
    assert "new classes" not in capsys.readouterr().out


def test_a_class_keeps_its_id_when_another_one_comes(data: Project) -> None:
    stage.run()
    data.images(images_of({"ant": 40, "cat": 40, "dog": 40}))
    stage.run()
    assert classes.load(Path("classes.json")) == classes.load(Path("data/splits/classes.json"))
    assert classes.load(Path("classes.json")).names == ["cat", "dog", "ant"]


def test_leaks_are_shown(data: Project, capsys: pytest.CaptureFixture[str]) -> None:
    twins = [Image(f"twin-{i}", "cat", side, seed=7, brighter=i) for i, side in enumerate(["test", "train"])]
    both = Image("both", "cat", "train")
    data.images([*images_of({"cat": 40, "dog": 40}), *images_of({"dog": 1}, start=50, official_split="test"), *twins, both])
    data.copies([Copy(both, "test/cat/both.png", "cat", "test")])
    stage.run()
    out = capsys.readouterr().out
    assert "left out of training (leaks): 1" in out
    assert "both official train and official test (leaks): 1" in out


@pytest.mark.parametrize(("params", "code", "message"), [("num_labels: 1", 2, "num_labels"), ("labels: x.csv", 1, "x.csv")])
def test_errors_are_one_sentence_and_an_exit_code(data: Project, params: str, code: int, message: str) -> None:
    Path("params.yaml").write_text(f"split:\n  {params}\n")
    run = subprocess.run(
        [sys.executable, "-m", "ssgan", "split"], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == code
    assert run.stderr.startswith("error: ")
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert not Path("classes.json").exists()
    assert not Path("data/splits").exists()


def test_what_val_and_test_keep_is_remembered(data: Project) -> None:
    stage.run()
    before = json.loads(Path("holdout.json").read_text())
    assert (before["fixed"], before["test"]) == (False, {"share": SplitConfig().test_fraction, "kept": []})
    in_test = set(SplitFiles("data/splits").ids("test"))
    Path("params.yaml").write_text("split:\n  num_labels: 4\n  test_target: 1\n")
    stage.run()
    after = json.loads(Path("holdout.json").read_text())
    assert after["fixed"]
    assert after["test"]["share"] < before["test"]["share"]
    assert set(SplitFiles("data/splits").ids("test")) == in_test
    assert set(after["test"]["kept"]) < in_test
    Path("holdout.json").write_text("{}")
    with pytest.raises(DataError, match=r"holdout\.json is not what `ssgan split` wrote; restore it from git"):
        stage.run()
