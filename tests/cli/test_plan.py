"""``ssgan plan`` in a project of DVC: it says what DVC then does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ssgan.cli.app import run
from ssgan.cli.plan import clock, size
from ssgan.project.stage_times import seconds, timed
from ssgan.provenance import differences
from tests.support.dvc_here import dvc_in

PIPELINE = {
    "stages": {
        "split": {"cmd": "cp raw/a a.txt", "deps": ["raw", "step.py"], "params": ["split"], "outs": ["a.txt"]},
        "train": {"cmd": "cp a.txt b.txt", "deps": ["a.txt"], "params": ["method", "train.steps"], "outs": ["b.txt"]},
        "report": {"cmd": "cp b.txt c.txt", "deps": ["b.txt"], "outs": ["c.txt"]},
    }
}
PARAMS = {"split": {"seed": 0}, "method": {"name": "gan", "options": {"rate": 0.1}}, "train": {"steps": 100}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stages in a row, which have run. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "raw").mkdir()
    (folder / "raw/a").write_text("a")
    (folder / "step.py").write_text("")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    with dvc_in(folder) as repo:
        repo.reproduce()
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the working directory."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dvc(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", "dvc", *words], check=True, capture_output=True, text=True).stdout


def planned(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert run(["plan", "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_nothing_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan"]) == 0
    assert capsys.readouterr().out == "nothing to run: everything is up to date\n"


def test_a_parameter_is_told_with_both_values_and_what_follows_is_a_maybe(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = PARAMS | {"method": {"name": "gan", "options": {"rate": 0.2}}}
    (project / "params.yaml").write_text(yaml.safe_dump(changed))
    train, report = planned(capsys)
    assert (train["stage"], train["certain"], train["reasons"]) == ("train", True, ["method.options.rate: 0.1 -> 0.2"])
    assert (report["stage"], report["certain"]) == ("report", False)
    assert report["reasons"] == ["if train writes something new"]


def test_images_and_code_are_told_and_dvc_agrees(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "raw/b").write_text("b")
    (project / "step.py").write_text("# changed")
    steps = planned(capsys)
    assert steps[0]["reasons"] == ["raw: 1 file then, 2 now", "code: step.py"]
    assert [step["stage"] for step in steps] == ["split", "train", "report"]
    said = dvc("repro")  # a.txt is the same, so what comes after it does not run
    assert ("Running stage 'split'" in said, "Running stage 'train'" in said) == (True, False)
    assert planned(capsys) == []


def test_a_lost_result_and_a_stage_that_never_ran(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "c.txt").unlink()
    pipeline = yaml.safe_load((project / "dvc.yaml").read_text())
    pipeline["stages"]["last"] = {"cmd": "cp c.txt d.txt", "deps": ["c.txt"], "outs": ["d.txt"]}
    (project / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    report, last = planned(capsys)
    assert report["reasons"] == ["c.txt is missing"]
    assert (last["stage"], last["reasons"]) == ("last", ["has not run yet"])


def test_the_time_is_that_of_the_last_run_for_the_steps_of_this_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "runs/train").mkdir(parents=True)
    (project / "runs/train/manifest.json").write_text(json.dumps({"steps": 100, "seconds": {"main": 50.0, "twin": 10.0}}))
    with timed("report"):
        pass
    (project / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"train": {"steps": 300}}))
    assert run(["plan"]) == 0
    said = capsys.readouterr().out
    assert "  train     train.steps: 100 -> 300; about 3 min, up to 1 byte to push\n" in said
    assert "  report    if train writes something new; about 0 s, up to 1 byte to push\n" in said
    assert said.endswith("about 3 min and up to 2 bytes to push in all, going by the last run of each\n")


def bytes_to_push(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return {str(step["stage"]): step["bytes"] for step in planned(capsys)}


def test_bytes_to_push_are_those_of_the_outputs_that_are_written_anew(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is kept for the next run only grows, by the share of new files; what DVC does not cache is not pushed."""
    pipeline = yaml.safe_load((project / "dvc.yaml").read_text())
    store: dict[str, object] = {"cmd": "mkdir -p store; cat raw/* > store/all; echo 12345 > metrics.txt", "deps": ["raw"]}
    store |= {"outs": [{"store": {"persist": True}}, {"metrics.txt": {"cache": False}}]}
    pipeline["stages"] = {"store": store} | pipeline["stages"]
    (project / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    assert bytes_to_push(capsys) == {"store": None}
    assert run(["plan"]) == 0
    said = capsys.readouterr().out
    assert "  store     has not run yet; time unknown, push size unknown\n" in said
    assert "in all" not in said
    (project / "raw/a").write_text("a" * 3000)
    (project / "raw/b").write_text("b" * 1000)
    dvc("repro")
    (project / "raw/c").write_text("c" * 10)
    assert bytes_to_push(capsys) == {"store": 2000, "split": 3000, "train": 3000, "report": 3000}
    (project / "raw/b").unlink()
    assert bytes_to_push(capsys)["store"] == 4000  # files went: all that they lay in is written anew, at most
    (project / "raw/b").write_text("b" * 1000)
    (project / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"split": {"seed": 1}}))
    assert bytes_to_push(capsys) == {"store": 2000, "split": 3000, "train": 3000, "report": 3000}
    pipeline["stages"]["store"]["cmd"] += " "
    (project / "dvc.yaml").write_text(yaml.safe_dump(pipeline | {"stages": pipeline["stages"]}))
    assert run(["plan"]) == 0
    assert "time unknown, up to " in capsys.readouterr().out


def test_no_project_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plan"]) == 1
    assert "there is no dvc.yaml here" in capsys.readouterr().err


def test_what_failed_leaves_the_time_of_before(tmp_path: Path) -> None:
    file = tmp_path / ".ssgan/seconds.json"
    with timed("split", file):
        pass
    before = seconds(file)
    with pytest.raises(ValueError, match="no"), timed("ingest", file):
        raise ValueError("no")
    assert seconds(file) == before == {"split": 0.0}
    file.write_text("{")
    assert seconds(file) == {}


def test_differences_are_leaves() -> None:
    old, new = {"a": 1, "b": {"c": [1], "d": 2}}, {"a": 1, "b": {"c": [2], "e": 3}}
    found = list(differences(old, new, "x"))
    assert found == [("x.b.c", [1], [2]), ("x.b.d", 2, None), ("x.b.e", None, 3)]


@pytest.mark.parametrize(("value", "said"), [(7, "7 s"), (59.4, "59 s"), (90, "2 min"), (9000, "2.5 h")])
def test_clock(value: float, said: str) -> None:
    assert clock(value) == said


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (2_345_678, "2.3 MB"), (10**10, "10.0 GB")]
)
def test_size(count: int, said: str) -> None:
    assert size(count) == said
