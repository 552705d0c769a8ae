"""Whole runs of the command, as processes of their own: killed in the middle, and on a disk that is really full."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ssgan.data.files import SplitFiles
from tests.support.data import config

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from ssgan.cli.app import main; main()", "train"]
MODEL = "runs/train/main/last/model.safetensors"


def project(folder: Path, splits: SplitFiles, steps: int = 600) -> Path:
    """A project whose splits are there, with a checkpoint every 50 steps."""
    (folder / "data").mkdir(parents=True)
    for name in ("images", "splits"):
        (folder / "data" / name).symlink_to(Path(splits.root).with_name(name))
    c = config(train={"steps": steps, "val_every": 50, "checkpoint_every": 50}, storage={"url": "storage"})
    (folder / "params.yaml").write_text(yaml.safe_dump(c.model_dump()))
    return folder


def train(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("storage/checkpoints/run-*/main/step-*/manifest.json"))


@pytest.fixture(scope="module")
def reference(splits: SplitFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was left alone."""
    folder = project(tmp_path_factory.mktemp("whole") / "reference", splits)
    done = train(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_killed_driver_goes_on_and_changes_no_bit(reference: Path, splits: SplitFiles, tmp_path: Path) -> None:
    folder = project(tmp_path / "killed", splits)
    process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not checkpoints(folder) and time.monotonic() < end:
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    kept = checkpoints(folder)
    assert kept, "there was a checkpoint to go on from"
    assert not (folder / MODEL).exists(), "the run must have been killed before its end"
    done = train(folder)
    assert done.returncode == 0, done.stderr
    assert "step 1/" not in done.stdout, "it must not have begun again"
    assert (folder / MODEL).read_bytes() == (reference / MODEL).read_bytes()


def can_mount() -> bool:
    return (
        subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.skipif(not can_mount(), reason="no file system of a given size can be mounted here")
def test_a_full_disk_stops_the_run_with_a_sentence_and_loses_nothing(
    reference: Path, splits: SplitFiles, tmp_path: Path
) -> None:
    """``storage`` is a file system with room for one checkpoint and a half; then there is room, and the run goes on."""
    folder = project(tmp_path / "full", splits)
    (folder / "storage").mkdir()
    one = max(reference.glob("storage/checkpoints/run-*/main/step-*"))
    kilobytes = sum(path.stat().st_size for path in one.rglob("*") if path.is_file()) * 3 // 2 // 1024
    script = f"""
        mount -t tmpfs -o size={kilobytes}k none storage
        "$@" >first.out 2>first.err; echo $? >first.code
        ls -d storage/checkpoints/run-*/main/step-*/manifest.json >kept
        mount -o remount,size=1g storage
        "$@" >second.out 2>second.err; echo $? >second.code
    """
    inside = ["unshare", "-rm", "sh", "-c", script, "sh", *COMMAND]
    subprocess.run(inside, cwd=folder, check=True, timeout=240)
    said = {name: (folder / name).read_text() for name in ("first.err", "first.code", "kept", "second.err", "second.code")}
    assert said["first.code"] == "1\n", said
    assert "the disk is full; free space there" in said["first.err"]
    assert "Traceback" not in said["first.err"]
    assert [Path(line).parent.name for line in said["kept"].split()] == ["step-00000050"]
    assert said["second.code"] == "0\n", said
    assert (folder / MODEL).read_bytes() == (reference / MODEL).read_bytes()
