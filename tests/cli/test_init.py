"""A new project: valid, complete, under git and DVC, and nothing of anybody's is overwritten."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from ssgan import installation
from ssgan.cli.app import run
from ssgan.cli.init import DVC_FILES, FILES, SCHEMA
from ssgan.config import FolderSource, S3Source, load
from tests.support.closure import ROOT


@pytest.fixture(autouse=True)
def _quiet_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))


def stages(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    return value


def test_a_project_has_its_files_and_a_quiet_dvc(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    assert run(["init", str(folder)]) == 0
    assert all((folder / name).is_file() for name in FILES)
    assert (folder / ".git").is_dir()
    assert (folder / "requirements.txt").read_text() == installation.requirement()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert {f"core.{key}=false" for key in ("analytics", "check_update", "autostage")} <= set(done.stdout.splitlines())
    config = load(folder / "params.yaml")
    assert config.data.source == FolderSource(path="images")
    assert config.split.mode == "team"
    assert "@@" not in "".join((folder / name).read_text() for name in FILES)


def test_the_command_that_the_demonstration_names_next(tmp_path: Path) -> None:
    (named,) = re.findall(r'next, on your own photos: \$\(BIN\)/ssgan (.*)"', (ROOT / "Makefile").read_text())
    command = [
        {"../my-photos": str(tmp_path / "p"), "/path/to/your/photos": str(tmp_path / "photos")}.get(w, w) for w in named.split()
    ]
    assert run(command) == 0
    assert load(tmp_path / "p/params.yaml").data.source == FolderSource(path=str(tmp_path / "photos"))


def test_choices_arrive_in_the_files(tmp_path: Path) -> None:
    choices = ["--images", "s3://bucket/raw", "--mode", "benchmark", "--labels", "labels.csv", "--image-size", "64"]
    assert run(["init", str(tmp_path / "p"), *choices, "--channels", "1"]) == 0
    config = load(tmp_path / "p/params.yaml")
    assert config.data.source == S3Source(url="s3://bucket/raw")
    assert (config.split.mode, config.split.labels) == ("benchmark", "labels.csv")
    assert config.data.image_size == 64
    assert config.data.channels == 1
    assert not (tmp_path / "p/labels.csv").exists()  # a file is not made, a ledger is
    assert "${data.source.url}" in stages(tmp_path / "p")["ingest"]["deps"]
    assert "${split.labels}" in stages(tmp_path / "p")["split"]["deps"]


def test_a_label_ledger_begins_with_the_project(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "p"), "--labels", "labels"]) == 0
    assert "${split.labels}" in stages(tmp_path / "p")["split"]["deps"]
    assert (tmp_path / "p/labels/batches").is_dir()
    assert "labels/README.md" in git(tmp_path / "p", "status", "--porcelain", "--untracked-files=all")


def git(folder: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom git takes for the author."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")


def test_a_new_repository_begins_with_a_commit_of_the_project_alone(
    tmp_path: Path, somebody: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/secret.txt").write_text("mine")
    assert run(["init", str(tmp_path / "p"), "--labels", "labels"]) == 0
    assert "commit these files" not in capsys.readouterr().out
    assert git(tmp_path / "p", "status", "--porcelain") == "?? secret.txt\n"
    assert set(git(tmp_path / "p", "ls-files").split()) == {*FILES, SCHEMA, *DVC_FILES, "labels/README.md"}
    for command in (["metrics", "diff"], ["exp", "run", "--queue", "-S", "train.steps=7"]):  # refused in an empty repository
        done = subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path / "p", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_where_nothing_was_committed_the_next_step_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # git must not make up a name from the machine's
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert run(["init", str(tmp_path / "p")]) == 0
    (command,) = re.findall(r"commit these files, .*: (git add .*) && git commit", capsys.readouterr().out)
    assert set(command.split()[2:]) >= {*FILES, SCHEMA}
    (tmp_path / "outer").mkdir()
    git(tmp_path / "outer", "init", "--quiet")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    assert run(["init", str(tmp_path / "outer/inner")]) == 0
    assert "commit these files" in capsys.readouterr().out  # somebody else's repository is left to them


def is_wired(folder: Path) -> bool:
    """Whether the pipeline reads the ledger of the project, and sees it change."""
    wired = load(folder / "params.yaml").split.labels == "labels"
    assert wired == ("${split.labels}" in stages(folder)["split"]["deps"]) == (folder / "labels/batches").is_dir()
    return wired


@pytest.mark.parametrize("images", ["missing", "s3://bucket/raw"])
def test_a_project_whose_images_nobody_has_seen_begins_with_a_ledger(
    images: str, tmp_path: Path, unreachable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "p"), "--images", images]) == 0
    assert is_wired(tmp_path / "p")
    assert "labels: come into the ledger `labels` by `ssgan labels import FILE`" in capsys.readouterr().out
    for number, choice in enumerate((["--mode", "benchmark"], ["--labels", ""])):
        assert run(["init", str(tmp_path / f"p{number}"), "--images", images, *choice]) == 0
        assert not is_wired(tmp_path / f"p{number}")
    assert "ledger" not in capsys.readouterr().out


def test_a_recipe_does_not_decide_on_where_labels_come_from(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    for name in ("cat", "dog"):
        photos(tmp_path / "classes" / name)
    for images, wired in (("photos", True), ("classes", False)):
        assert run(["init", str(tmp_path / f"p{wired}"), "--images", f"../{images}", "--recipe", "cats_dogs"]) == 0
        assert is_wired(tmp_path / f"p{wired}") == wired


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No S3 answers, and it is not waited for."""
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)


def test_without_a_table_of_labels_split_depends_on_none(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "p"), "--labels", ""]) == 0
    assert stages(tmp_path / "p")["split"]["deps"] == [
        "requirements.txt",
        "data/images",
        "data/index",
        "data/duplicates.parquet",
        "removed.csv",
    ]
    assert "${data.source.path}" in stages(tmp_path / "p")["ingest"]["deps"]


def test_the_next_step_asks_for_images_only_where_there_are_none(
    tmp_path: Path, unreachable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos/cat").mkdir(parents=True)
    for images, asks in [("photos", False), ("missing", True), ("s3://bucket/raw", False)]:
        assert (
            run(["init", str(tmp_path / f"p{asks}{len(images)}"), "--images", images if "/" in images else f"../{images}"]) == 0
        )
        assert ("put images into" in capsys.readouterr().out) == asks


@pytest.mark.parametrize("name", ["params.yaml", "README.md"])
def test_nothing_is_overwritten(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    assert run(["init", str(tmp_path)]) == 2
    assert f"already holds {name}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("choice", [["--image-size", "33"], ["--channels", "2"], ["--images", "s3://"], ["--mode", "both"]])
def test_a_choice_that_is_not_possible_writes_nothing(choice: list[str], tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "p"), *choice]) == 2
    assert not (tmp_path / "p").exists()


def test_a_project_inside_a_repository_stays_in_that_repository(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=outer, check=True)
    assert run(["init", str(outer / "inner")]) == 0
    assert not (outer / "inner/.git").exists()
    assert (outer / "inner/.dvc/config").is_file()


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert run(["init", str(tmp_path / "p")]) == 0
    assert "without git" in capsys.readouterr().out
    text = (tmp_path / "p/.dvc/config").read_text()
    assert "no_scm = True" in text
    assert "analytics = false" in text
    assert not (tmp_path / "p/.git").exists()


def photos(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (90, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def test_photos_without_any_label_begin_with_a_ledger_and_clusters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos(tmp_path / "photos")
    assert run(["init", str(tmp_path / "p"), "--images", "../photos"]) == 0
    said = capsys.readouterr().out
    assert "seen: 3 files, none of them in a class folder; color, " in said
    assert "ssgan doctor && dvc repro features\n" in said
    assert "no image has a label yet; after that: `ssgan labels import FILE`, or without any: `ssgan next --clusters" in said
    assert load(tmp_path / "p/params.yaml").split.labels == "labels"
    assert "${split.labels}" in stages(tmp_path / "p")["split"]["deps"]
    assert (tmp_path / "p/labels/batches").is_dir()


def test_photos_in_class_folders_need_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "dog"):
        photos(tmp_path / "photos" / name)
    assert run(["init", str(tmp_path / "p"), "--images", "../photos"]) == 0
    assert capsys.readouterr().out.endswith("then: ssgan doctor && dvc repro\n")
    assert load(tmp_path / "p/params.yaml").split.labels is None


def test_folders_with_two_readings_are_asked_about_and_the_answer_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "none", "test"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "images" / name / "1.png")
    command = ["init", str(tmp_path / "p"), "--images", "../images"]
    assert run(command) == 1
    assert "`test` may be a split or a class; say it with `layout: classes`" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    assert run([*command, "--layout", "classes"]) == 0
    source = load(tmp_path / "p/params.yaml").data.source
    assert source == FolderSource(path="../images", layout="classes")
