"""A team's first week, images in S3 or in a folder: three commands, and no file is edited by hand."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ssgan.cli.app import run
from ssgan.config import load
from ssgan.storage.store import filesystem

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


@pytest.fixture(autouse=True)
def _quiet(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "DVC_NO_ANALYTICS": "1",
    }.items():
        environment.setenv(name, value)
    environment.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))


def upload(url: str, names: list[str]) -> None:
    fs, root = filesystem(url)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
        fs.pipe_file(f"{root}/{name}", cv2.imencode(".png", pixels)[1].tobytes())


def ssgan(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["s3", "folder", "no images yet"])
def test_votes_before_ingest_name_the_command_that_helps_and_nothing_is_wired_by_hand(
    kind: str, s3: str, tmp_path: Path, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{i:03d}.png" for i in range(60)]
    where = s3 if kind == "s3" else str(tmp_path / "images")
    if kind != "no images yet":
        upload(where, names)
    environment.chdir(tmp_path)
    assert run(["init", "p", "--images", where, "--image-size", "8", "--channels", "1"]) == 0
    folder = tmp_path / "p"
    environment.chdir(folder)
    with open("batch.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((name, "ab"[i % 2]) for i, name in enumerate(names[:30]))])
    if kind == "no images yet":
        upload(where, names)
    assert run(["labels", "import", "batch.csv", "--new-classes", "all"]) == 1
    assert "run `dvc repro ingest`, then import again" in capsys.readouterr().err
    ssgan(folder, "dvc", "repro", "--quiet", "ingest")
    assert run(["labels", "import", "batch.csv", "--new-classes", "all"]) == 0
    assert "note:" not in capsys.readouterr().out  # nothing to wire by hand
    ssgan(folder, "dvc", "repro", "--quiet", "split")
    ssgan(folder, "dvc", "status", "--quiet", "split")
    split = json.loads(Path("metrics/split.json").read_text())
    assert split["labeled"] + split["val"] + split["test"] == 30


def test_class_folders_in_s3_are_labels_as_on_disk(s3: str, tmp_path: Path) -> None:
    upload(s3, ["cat/1.png", "dog/1.png"])
    assert run(["init", str(tmp_path / "p"), "--images", s3]) == 0
    assert load(tmp_path / "p/params.yaml").split.labels is None
    upload(f"{s3}/deep", ["train/1.png", "test/2.png"])
    assert run(["init", str(tmp_path / "q"), "--images", f"{s3}/deep"]) == 0
    assert load(tmp_path / "q/params.yaml").split.labels == "labels"
