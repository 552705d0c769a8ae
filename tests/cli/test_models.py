"""compare, promote and models on the command line: what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssgan.cli.app import run
from ssgan.cli.promote import whoami
from tests.support.finished_project import BAD, finished, parameters

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of the good run; the bad one lies beside it."""
    finished(tmp_path / "bad", monkeypatch, "run-a", BAD)
    root = finished(tmp_path / "good", monkeypatch, "run-b")
    parameters(root)
    monkeypatch.chdir(root)
    return root


def test_the_way_of_a_week(project: Path, capsys: Captured) -> None:
    assert run(["compare"]) == 0
    assert "no model is named champion yet: rules that compare are skipped" in capsys.readouterr().out
    assert run(["promote", "--by", "Ada"]) == 0
    assert capsys.readouterr().out.startswith("champion: none -> m-")
    assert run(["promote"]) == 0
    assert capsys.readouterr().out == "that model is champion already; nothing was moved\n"

    assert run(["compare", "champion", "../bad"]) == 3
    said = capsys.readouterr().out
    assert "FAIL gain" in said
    assert "the gate is not passed (gain" in said
    assert run(["promote", "../bad"]) == 3
    assert "does not let" in capsys.readouterr().err
    assert run(["promote", "../bad", "--force"]) == 2
    assert "add --why TEXT" in capsys.readouterr().err
    assert run(["promote", "../bad", "--force", "--why", "a demo"]) == 0
    assert run(["promote", "--rollback", "--why", "over"]) == 0

    capsys.readouterr()
    assert run(["models", "history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert ", by Ada" in lines[0]
    assert "forced" in lines[1]
    assert lines[2].endswith(": over")


def test_list_show_and_fetch(project: Path, capsys: Captured) -> None:
    assert run(["models", "list"]) == 0
    assert "holds no model yet" in capsys.readouterr().out
    assert run(["models", "show"]) == 2
    assert "no model is named 'champion'" in capsys.readouterr().err
    run(["compare"])
    run(["promote"])
    capsys.readouterr()
    assert run(["models", "list"]) == 0
    name, alias = capsys.readouterr().out.split()
    assert alias == "champion"
    assert run(["models", "show", name[:8]]) == 0
    card = capsys.readouterr().out
    assert card.startswith("---\n")
    assert "## Approval" in card
    assert run(["models", "fetch", "champion", "here"]) == 0
    assert {"model.safetensors", "config.json", "classes.json", "README.md"} <= {path.name for path in Path("here").iterdir()}
    assert run(["models", "fetch", "champion", "here"]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err


def test_the_verdict_as_json_is_the_file(project: Path, capsys: Captured) -> None:
    assert run(["compare", "../bad", ".", "--json", "--out", "elsewhere"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(Path("elsewhere/verdict.json").read_text())
    assert printed["decision"] == "promote"


def test_a_rollback_takes_no_run(project: Path, capsys: Captured) -> None:
    assert run(["promote", "../bad", "--rollback"]) == 2
    assert "leave out '../bad'" in capsys.readouterr().err
    assert run(["promote", "--rollback", "--why", "x"]) == 2
    assert "there is no champion before the current one to roll back to" in capsys.readouterr().err


def test_who_decides_is_never_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    assert "@" in whoami()
    Path("config").write_text("[user]\n name = Ada\n email = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert whoami() == "Ada <ada@example.org>"
