"""What a search found, in params.yaml: only the values change, in a commit that a person asked for."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

import pytest
import yaml

from ssgan.cli.app import run
from ssgan.config import Config, load, parse
from ssgan.errors import ConfigError
from ssgan.tuning.apply import edited, read_best
from ssgan.tuning.board import best_yaml
from ssgan.tuning.space import Point, at
from tests.support.closure import ROOT
from tests.support.trials import RATE, trial

PARAMS = (ROOT / "params.yaml").read_text()
POINT: Point = {RATE: 1e-05, "net.noise": 0.5, "method.name": "vat", "train.steps": 5000}


def changed_lines(before: str, after: str) -> list[str]:
    return [line[2:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("+ ")]


def test_only_the_lines_of_the_point_change_and_every_comment_stays() -> None:
    assert changed_lines(PARAMS, edited(PARAMS, POINT)) == [
        "  name: vat # a file of ssgan/methods; docs/methods.md has a card of each",
        "  options: {lr_tail: 0.5, learning_rate: 1.0e-05} "
        "# what differs from the defaults of the method, e.g. {batch_size: 200}",
        "  noise: 0.5 # factor from 0 to 1 on the classifier's Gaussian noise and dropout",
        "  steps: 5000 # steps; one step is one update of every network",
    ]


def test_the_result_means_what_the_trial_had() -> None:
    config = parse(Config, yaml.safe_load(PARAMS), "params.yaml")
    assert parse(Config, yaml.safe_load(edited(PARAMS, POINT)), "params.yaml") == at(config, POINT)
    assert edited(edited(PARAMS, POINT), POINT) == edited(PARAMS, POINT)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("method:\n  options: {} # ours\n", ["  options: {learning_rate: 0.01} # ours"]),
        (
            "method:\n  options: # ours\n    # the rate\n    learning_rate: 1.0e-3   # so\n",
            ["    learning_rate: 0.01 # so"],
        ),
        ("# head\nmethod:\n    name: vat   # why\n", ["    options: {learning_rate: 0.01}"]),
        ("train:\n  steps: 5\n", ["method: {options: {learning_rate: 0.01}}"]),
    ],
)
def test_however_the_file_is_written(text: str, lines: list[str]) -> None:
    assert changed_lines(text, edited(text, {RATE: 0.01})) == lines


def test_a_point_that_does_not_suit_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="threshold` is not a parameter"):
        edited("method: {name: vat}\n", {"method.options.threshold": 0.9})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no search has found anything yet; run `ssgan"),
        ("a: [", "is not valid YAML"),
        ("trial: 3\n", "no `params`"),
    ],
)
def test_a_file_that_no_search_wrote(content: str | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "best.yaml").write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        read_best(tmp_path / "best.yaml")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project under git in which a search has found something."""
    for role in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.setenv(f"GIT_{role}_{what}", "tests@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "other.txt").write_text("mine\n")
    git("init", "--quiet")
    git("add", "-A")
    git("commit", "--quiet", "-m", "Begin")
    (tmp_path / "reports/tune").mkdir(parents=True)
    (tmp_path / "reports/tune/best.yaml").write_text(best_yaml(trial(3, 0.25, **POINT), "last", 100))
    return tmp_path


def test_commit_holds_the_parameters_and_nothing_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "other.txt").write_text("half done\n")
    git("add", "other.txt")
    assert run(["tune", "apply", "--commit"]) == 0
    assert load(project / "params.yaml").train.steps == 5000
    assert git("show", "--stat", "--format=%s").split("\n")[0] == "Apply trial 3 of the search: validation error 25.00 %"
    assert git("show", "--name-only", "--format=").split() == ["params.yaml"]
    assert git("status", "--porcelain").splitlines() == ["M  other.txt", "?? reports/"]
    out = capsys.readouterr().out
    assert "-  steps: 1000 # steps" in out
    assert "+  steps: 5000 # steps" in out
    assert run(["tune", "apply", "--commit"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_without_anybody_to_ask_the_change_is_shown_and_not_made(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "apply"]) == 2
    said = capsys.readouterr()
    assert "+  steps: 5000 # steps" in said.out
    assert "add --commit" in said.err
    assert (project / "params.yaml").read_text() == PARAMS


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(answer: bool, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssgan.cli.tune.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("ssgan.cli.tune.typer.confirm", lambda question: answer)
    assert run(["tune", "apply"]) == 0
    assert ((project / "params.yaml").read_text() == PARAMS) == (not answer)
    assert git("log", "--format=%s").count("Apply trial") == answer


def test_changes_that_are_not_committed_are_not_run_over(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PARAMS.replace("steps: 1000", "steps: 1234")
    (project / "params.yaml").write_text(text)
    assert run(["tune", "apply", "--commit"]) == 2
    assert "params.yaml has changes that are not committed; commit or stash them" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == text


def test_a_file_that_git_does_not_know_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("rm", "--quiet", "--cached", "params.yaml")
    git("commit", "--quiet", "-m", "Forget")
    assert run(["tune", "apply", "--commit"]) == 2
    assert "is not under git" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == PARAMS
