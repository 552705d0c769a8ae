"""Temporary folders of processes that end well, and of those that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ssgan import scratch

HOLD = "import sys, time; from ssgan import scratch; print(scratch.make('checkpoint'), flush=True); time.sleep({seconds})"


def started(folder: Path, seconds: float) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a scratch folder for some time."""
    environment = os.environ | {"TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(seconds=seconds)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def age(path: Path) -> None:
    os.utime(path, (0, 0))


def test_a_killed_process_is_cleaned_up_after_and_a_living_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (killed, dead), (living, used) = started(tmp_path, 600), started(tmp_path, 600)
    try:
        assert dead.parent.parent == used.parent.parent == tmp_path
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        (tmp_path / "ssgan-mine").mkdir()
        scratch.sweep()
        assert dead.is_dir(), "too young to be sure"
        for path in (dead.parent, used.parent, tmp_path / "ssgan-mine"):
            age(path)
        scratch.sweep()
        assert not dead.parent.exists()
        assert used.is_dir()
        assert (tmp_path / "ssgan-mine").is_dir(), "not one of these folders"
    finally:
        living.kill()
        living.wait()


def test_a_process_that_ends_leaves_nothing(tmp_path: Path) -> None:
    process, path = started(tmp_path, 0)
    assert path.name.startswith("checkpoint-")
    assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_goes_with_its_block() -> None:
    with scratch.folder("resume") as path:
        (path / "file").write_text("x")
    assert not path.exists()
    assert path.parent == scratch.make("next").parent
