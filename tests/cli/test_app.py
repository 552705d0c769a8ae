"""How commands end: exit code, one sentence, and a stack trace only where it is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ssgan import __version__
from ssgan.cli import app, stages
from ssgan.cli.app import INTERRUPTED, run
from ssgan.cli.listing import GROUPS
from ssgan.data.files import SplitFiles
from ssgan.errors import TrainingError
from tests.support.data import config

STAGES = ("ingest", "split", "train", "evaluate", "report")
COMMANDS = tuple(app.COMMANDS)


def test_help_names_every_command_once_in_a_group_and_a_whole_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    listed = [name for commands in GROUPS.values() for name in commands]
    assert sorted(listed) == sorted(app.COMMANDS)
    for title, commands in GROUPS.items():
        assert f"{title}:" in text
        for name, summary in commands.items():
            line = next(line for line in text.splitlines() if line.split()[:1] == [name])
            assert line.endswith(f"  {summary}"), "cut or wrapped"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"ssgan {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"ssgan {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ssgan pre", "predict"),
        ("ssgan labels im", "import"),
        ("ssgan export --form", "--format"),
        ("ssgan init --mode b", "benchmark"),
    ],
)
def test_shells_complete_commands_and_options_without_loading_what_is_heavy(typed: str, offered: str) -> None:
    code = """
import sys
from ssgan.cli.app import run
code = run([])
print("heavy:", {"torch", "ray", "numpy", "pyarrow", "dvc"} & set(sys.modules), file=sys.stderr)
"""
    environment = os.environ | {"_SSGAN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [offered]
    assert done.stderr == "heavy: set()\n"


@pytest.mark.parametrize("arguments", [["trian"], ["predict"], ["doctor", "--jsn"], ["predict", "nowhere"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_wrong_parameter_ends_with_2_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("train: {stepps: 5}")
    assert run(["train"]) == 2
    assert capsys.readouterr().err == "error: params.yaml: `train.stepps` is not a parameter; did you mean `steps`?\n"


@pytest.mark.parametrize(
    ("raised", "code", "sentence"),
    [
        (TrainingError("no CPU is left; free one"), 1, "error: no CPU is left; free one\n"),
        (OSError(28, "No space left on device", "runs"), 1, "error: runs: No space left on device; fix it"),
        (RuntimeError("boom"), 1, "error: RuntimeError: boom; this is a bug of ssgan"),
        (KeyboardInterrupt(), 130, f"{INTERRUPTED}\n"),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(
    raised: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(stage: str) -> None:
        raise raised

    monkeypatch.setattr(stages, "_run", fail)
    assert run(["report"]) == code
    error = capsys.readouterr().err
    assert error.lstrip("\n").startswith(sentence)
    assert error.strip().count("\n") == 0


@pytest.mark.parametrize("arguments", [["--debug", "report"], ["report", "--debug"]])
def test_debug_lets_the_error_through(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(stage: str) -> None:
        raise TrainingError("no CPU is left")

    monkeypatch.setattr(stages, "_run", fail)
    with pytest.raises(TrainingError, match="no CPU is left"):
        run(arguments)


def test_the_console_script_passes_the_exit_code_on(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['ssgan', 'summary']; from ssgan.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: metrics/evaluate.json does not exist, so nothing was evaluated yet; run `dvc repro`\n"


@pytest.mark.parametrize(
    ("backend", "sent"),
    [
        ("inline", signal.SIGTERM),
        pytest.param("ray", signal.SIGTERM, marks=pytest.mark.ray),
        pytest.param("ray", signal.SIGINT, marks=pytest.mark.ray),
    ],
)
def test_ctrl_c_and_a_cluster_that_ends_the_job(backend: str, sent: signal.Signals, splits: SplitFiles, tmp_path: Path) -> None:
    """One sentence and 130; Ray itself dumps its C++ stack at SIGTERM, and ends with 0 or 1 without a word at SIGINT."""
    (tmp_path / "data").mkdir()
    for name in ("images", "splits"):
        (tmp_path / "data" / name).symlink_to(Path(splits.root).with_name(name))
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump(config(train={"steps": 1_000_000, "backend": backend}, storage={"url": "storage"}).model_dump())
    )
    command = [sys.executable, "-c", "from ssgan.cli.app import main; main()", "train"]
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, start_new_session=True)
    try:
        end = time.monotonic() + 180
        while "step " not in (tmp_path / "out.txt").read_text() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # a terminal sends it to the whole group
        else:
            process.send_signal(sent)  # Ray's own processes would die of it, and Ray end the driver before it can speak
        assert process.wait(150) == 130, (tmp_path / "out.txt").read_text()
    finally:
        process.kill()
    said = (tmp_path / "out.txt").read_text()
    assert said.endswith(f"{INTERRUPTED}\n")
    assert "step " in said
    assert "SIGTERM" not in said
    assert "Traceback" not in said
