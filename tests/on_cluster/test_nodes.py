"""Nodes that lose their disk while they train."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.submitter import Project

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(path: Path) -> None:
    """Write into a file until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def test_a_full_disk_is_told_and_the_next_command_goes_on(project: Project, small_disk: Path) -> None:
    train: dict[str, Any] = {"steps": 6000, "val_every": 2000, "checkpoint_every": 100, "seed": 30}
    environment = {"environment": {"TMPDIR": str(small_disk)}}
    project.configure(environment, **train)
    submitter = project.start("ssgan", "train")
    run = project.wait_for_checkpoint(submitter).split("/")[1]
    fill(small_disk / "filler")
    assert shutil.disk_usage(small_disk).free < 1 << 16
    clock = Clock("full disk of a node")
    code, output = submitter.finish()
    clock.note(f"code {code}")
    assert code == 1, output
    assert "the disk is full where rank 0 on " in output
    assert f"({small_disk}); free space there, or set TMPDIR" in output
    assert project.keys(f"{run}/main") == [], "nothing that looks like a result"

    (small_disk / "filler").unlink()
    code, output = project.run("ssgan", "train")
    assert code == 0, output
    assert "step 1/6,000" not in output, "it began again from the start"
