"""Files that ``ingest`` copes with and DVC does not: doctor names them with what mends them, plan does not hang or break."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ssgan.cli.app import run
from ssgan.data.images import ingest
from ssgan.data.sources.folder import Folder
from ssgan.errors import Exit
from ssgan.project import dvc_files
from ssgan.project.checks import Check
from ssgan.project.doctor import examine
from tests.support.dvc_here import dvc_in
from tests.support.images import CONFIG, blob, write

LATIN1 = os.fsdecode(b"L\xf6we 'n' 3.png")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of DVC with images, one of whose stages depends on them; the working directory."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "images", {f"{'ab'[i % 2]}/{i}.png": blob(i) for i in range(6)})
    stage = {"cmd": "true", "deps": ["${data.source.path}"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ingest": stage}}))
    params = {"data": {"source": {"kind": "folder", "path": "images"}}, "train": {"backend": "inline"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with dvc_in(tmp_path):
        pass
    return tmp_path


def files() -> Check:
    return next(check for check in examine(Path("params.yaml")) if check.name == "files")


def test_files_that_dvc_can_hash_are_no_finding(project: Path) -> None:
    (project / "images/a/link.png").symlink_to(project / "images/b/1.png")
    (project / "images/c").mkdir()
    assert files().level == "ok"


def spoil(images: Path) -> None:
    write(images, {f"b/{LATIN1}": blob(7)})
    (images / "a/x.png").symlink_to("/nowhere")
    os.mkfifo(images / "a/.pipe")  # DVC hashes hidden files too


def test_doctor_names_every_file_that_dvc_cannot_hash_and_its_commands_mend_them(project: Path) -> None:
    write(project / "images", {f"a/more-{i:03d}.png": blob(i + 10) for i in range(120)})  # they lie behind the first hundred
    spoil(project / "images")
    found = files()
    assert found.level == "fail"
    assert found.found.startswith("3 that DVC cannot hash, so `dvc repro` stops or waits forever: ")
    assert "images/a/.pipe (a pipe, a socket or a device)" in found.found
    assert "images/a/x.png (a link to nothing)" in found.found
    assert r"images/b/L\xf6we 'n' 3.png (its name is not UTF-8)" in found.found
    commands = found.remedy.split("; or, where")[0]
    subprocess.run(["bash", "-c", commands], check=True, cwd=project)
    assert files().level == "ok"
    assert (project / "images/b/Löwe 'n' 3.png").is_file()
    assert not (project / "images/a/x.png").is_symlink()


def test_ingest_copes_with_all_of_them(project: Path, tmp_path: Path) -> None:
    spoil(project / "images")
    summary = ingest(Folder("images"), CONFIG, tmp_path / "out")
    assert (summary.accepted, summary.rejected) == (7, {"broken_link": 1, "hidden": 1})


@pytest.mark.parametrize("kind", ["pipe", "name", "link"])
def test_plan_says_it_in_a_sentence(project: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "pipe":
        os.mkfifo(project / "images/a/pipe")
    elif kind == "name":
        write(project / "images", {f"a/{LATIN1}": blob(7)})
    else:
        (project / "images/a/x.png").symlink_to("/nowhere")
    assert run(["plan"]) == Exit.FAILED
    told = capsys.readouterr().err
    assert "DVC cannot hash" in told
    assert "images/a/" in told
    assert "a bug of ssgan" not in told


@pytest.mark.parametrize("name", ["x.png", LATIN1])
def test_plan_survives_such_a_file_in_any_other_folder(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "other").mkdir()
    (project / "other" / name).symlink_to("/nowhere" if name == "x.png" else project / "params.yaml")
    stages = {"ingest": {"cmd": "true", "deps": ["other"]}}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    lock = {"schema": "2.0", "stages": {"ingest": {"cmd": "true", "deps": [{"path": "other", "hash": "md5", "md5": "0.dir"}]}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert run(["plan"]) == Exit.FAILED
    told = capsys.readouterr().err
    assert "DVC cannot hash what the stages read" in told
    assert "a bug of ssgan" not in told


def test_what_dvcignore_names_is_no_finding(project: Path) -> None:
    spoil(project / "images")
    (project / ".dvcignore").write_text("x.png\n/images/b/\n.pipe\n")
    assert files().level == "ok"


def test_a_linked_class_folder_is_named_until_its_target_is_a_dep(project: Path, tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", {"1.png": blob(20)})
    (project / "images/dog").symlink_to(elsewhere)
    found = files()
    assert found.level == "note"
    assert found.found == f"1 link to folders, whose content DVC does not watch: images/dog -> {elsewhere}"
    assert f"add {elsewhere} to the `deps` of `ingest`" in found.remedy
    stage = {"cmd": "true", "deps": ["${data.source.path}", str(elsewhere)]}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ingest": stage}}))
    assert files().level == "ok"


def test_a_dep_on_the_target_lets_plan_see_a_picture_behind_the_link(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = write(tmp_path / "elsewhere", {"1.png": blob(20)})
    (project / "images/dog").symlink_to(elsewhere)

    def planned(deps: list[str]) -> list[str]:
        (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ingest": {"cmd": "true", "deps": deps}}}))
        with dvc_in(project) as repo:
            repo.reproduce()
        write(elsewhere, {f"{len(deps)}-new.png": blob(21)})
        assert run(["plan", "--json"]) == 0
        return [step["stage"] for step in json.loads(capsys.readouterr().out)]

    assert planned(["images"]) == []  # which is why doctor speaks of it
    assert planned(["images", str(elsewhere)]) == ["ingest"]


def test_long_lists_are_cut() -> None:
    assert dvc_files.listed(list("ab"), ", ") == "a, b"
    assert dvc_files.listed(["x"] * 25, "; ").endswith("x; and 5 more")
