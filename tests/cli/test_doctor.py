"""Every check of the doctor, fit and unfit, with a remedy for what is unfit."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ssgan import installation
from ssgan.cli.app import run
from ssgan.ledger import Ledger, Vote
from ssgan.project import doctor
from ssgan.project.checks import Check
from ssgan.project.doctor import GIB, examine
from ssgan.report.images import encode

ALL = [
    "python",
    "torch",
    "ray",
    "cpu",
    "memory",
    "disk",
    "gpu",
    "dvc",
    "params",
    "version",
    "schema",
    "source",
    "files",
    "labels",
    "backbone",
    "networks",
    "storage",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything in place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    write({"train": {"backend": "inline"}})
    return tmp_path


def write(params: dict[str, Any]) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(params))


def find(name: str) -> Check:
    return next(check for check in examine(Path("params.yaml")) if check.name == name)


def test_a_fit_machine_passes_every_check(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "all checks passed" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("ok")] == ALL
    assert list((project / "storage").rglob("*.*")) == []  # the probe cleans up behind itself


def test_json_says_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] is True
    assert [check["name"] for check in value["checks"]] == ALL


def test_a_failure_comes_with_its_remedy_and_exit_code_1(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write({"train": {"backend": "inline"}, "split": {"labels": "labels.csv"}})
    assert run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("FAIL"))
    assert "split.labels is labels.csv, which does not exist" in lines[at]
    assert lines[at + 1].strip() == "-> correct split.labels"
    assert lines[-1] == f"1 of {len(ALL)} checks failed"
    assert run(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize(
    ("params", "name", "found", "remedy"),
    [
        ({"train": {"steps": 0}}, "params", "`train.steps` is 0", ""),
        ({"method": {"name": "magic"}}, "params", "`method.name` is 'magic', which does not exist", "choose one of"),
        ({"train": {"backend": "inline", "device": "cuda"}}, "gpu", "none, but train.device is cuda", "auto or cpu"),
        ({"train": {"num_workers": 9999}}, "cpu", "9999 are asked for", "train.num_workers"),
        ({"train": {"num_workers": 9999, "precision": "bf16"}}, "cpu", "9999 are asked for", "train.num_workers"),
        ({"data": {"source": {"kind": "folder", "path": "nowhere"}}}, "source", "which is not a folder", "put the raw images"),
        ({"data": {"source": {"kind": "folder", "path": ".dvc"}}}, "source", "contains no files", "put images there"),
        ({"split": {"labels": "labels"}}, "labels", "the ledger labels has no votes", "ssgan labels import FILE"),
        ({"storage": {"url": "ftp://there"}}, "storage", "ftp://", "use a local path or s3://"),
        ({"storage": {"url": "params.yaml/storage"}}, "storage", "params.yaml", ""),
    ],
)
def test_what_is_wrong_in_the_project(
    params: dict[str, Any], name: str, found: str, remedy: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    write(params)
    check = find(name)
    assert check.level == "fail"
    assert found in f"{check.found}; {check.remedy}"
    assert remedy in check.remedy


def folder(name: str, *paths: str) -> dict[str, Any]:
    """Parameters of a source with these images."""
    for path in paths:
        (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
        (Path(name) / path).write_bytes(encode(np.zeros((3, 8, 8), np.uint8)))
    return {"source": {"kind": "folder", "path": name}}


@pytest.mark.parametrize(
    ("paths", "table", "found"),
    [
        (["a.png", "b.png"], None, "the source has no class folders, and split.labels is null"),
        (["cat/a.png", "unlabeled/b.png"], None, "the source has one class folder only, 'cat'"),
        (["a.png"], "path,label\na.png,cat\n", "labels.csv names one class only, 'cat'"),
        (["a.png"], "path,label\na.png,\n", "labels.csv has no line with a label"),
        (["a.png"], "", "is empty"),
        (["a.png"], "where,what\na.png,cat\n", "has the columns ['where', 'what']"),
        (["a.png"], "path,label\na.png,cat\nb.png,dog\n", ""),
        (["cat/a.png", "dog/b.png"], None, ""),
    ],
)
def test_labels_that_allow_no_training_are_found(project: Path, paths: list[str], table: str | None, found: str) -> None:
    if table is not None:
        Path("labels.csv").write_text(table)
    write({"data": folder("pics", *paths), "split": {"mode": "team", "labels": table if table is None else "labels.csv"}})
    check = find("labels")
    assert (check.level, bool(check.remedy)) == (("fail", True) if found else ("ok", False)), check
    assert found in check.found


@pytest.mark.parametrize(
    ("net", "size", "found"),
    [("resnet", 32, "`net.family` is 'resnet'"), ("compact", 100, "leaves 25 pixels after 2 halvings"), ("compact", 64, "")],
)
def test_networks_that_cannot_be_made_are_found(project: Path, net: str, size: int, found: str) -> None:
    write({"data": {"image_size": size, "channels": 3}, "net": {"family": net, "width": 0.1}})
    check = find("networks")
    assert (check.level, bool(check.remedy)) == (("fail", True) if found else ("ok", False)), check
    assert found in check.found


def test_a_project_on_features_may_begin_without_labels(project: Path) -> None:
    write({"features": {"backbone": "efficientnet_lite0"}, "net": {"family": "head"}, "split": {"labels": "labels"}})
    check = find("labels")
    assert check.level == "note"
    assert "or begin without: `ssgan next --clusters 20`, then `ssgan label`" in check.remedy


@pytest.mark.parametrize(("flags", "level"), [({}, "note"), ({"avx512_bf16": True}, "ok")])
def test_a_cpu_that_is_slow_in_bf16_is_noted(
    flags: dict[str, bool], level: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: flags)
    for precision in ("auto", "float32"):
        write({"train": {"backend": "inline", "precision": precision}})
        assert find("cpu").level == "ok"
    write({"train": {"backend": "inline", "precision": "bf16"}})
    check = find("cpu")
    assert check.level == level
    assert ("set train.precision to auto or float32" in check.remedy) == (level == "note")


def test_conflicts_in_the_ledger_are_noted(project: Path) -> None:
    write({"split": {"labels": "labels"}})
    ledger = Ledger(Path("labels"))
    ledger.append([Vote("a" * 64, name, name, "2026-01-01", "x.csv") for name in ("cat", "dog")])
    check = find("labels")
    assert (check.level, check.found, check.remedy) == (
        "note", "the ledger labels: 0 labeled images, 1 conflict", "ssgan labels conflicts",
    )  # fmt: skip
    (Path("labels/batches") / "copy.jsonl").touch()
    assert find("labels").level == "fail"


def test_missing_params_are_found(project: Path) -> None:
    Path("params.yaml").unlink()
    check = find("params")
    assert (check.level, "ssgan init" in check.remedy) == ("fail", True)


def test_a_folder_of_files_that_cannot_be_used_is_found(project: Path) -> None:
    Path("images").mkdir()
    os.symlink("nowhere", "images/broken.png")
    write({"data": {"source": {"kind": "folder", "path": "images"}}})
    assert find("source").level == "fail"
    Path("images/whole.png").write_bytes(b"some bytes")
    assert find("source").level == "ok"


def test_scarce_memory_and_disk_are_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Memory, Disk = namedtuple("Memory", "available"), namedtuple("Disk", "free")
    for free, level in ((GIB, "fail"), (3 * GIB, "ok")):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: Memory(free))
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: Disk(free))
        assert find("memory").level == level
        assert find("disk").level == level


def test_the_memory_of_the_container_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_container_memory", lambda: GIB)
    assert find("memory").level == "fail"


def test_another_python_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PYTHONS", ((3, 99), (4, 0)))
    assert find("python").level == "fail"


def test_a_package_that_does_not_load_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"train": {"backend": "ray"}})
    monkeypatch.setitem(__import__("sys").modules, "ray.train", None)
    check = find("ray")
    assert check.level == "fail"
    assert "ray.train" in check.found
    assert "install" in check.remedy


def test_dvc_without_a_project_is_noted_and_without_init_it_fails(project: Path) -> None:
    (project / ".dvc").rmdir()
    assert (find("dvc").level, find("dvc").remedy) == ("fail", "run `dvc init`")
    Path("dvc.yaml").unlink()
    assert find("dvc").level == "note"


def test_another_version_than_the_pinned_one_is_found(project: Path) -> None:
    Path("requirements.txt").write_text("ssgan==9.9\n")
    check = find("version")
    assert check.level == "fail"
    assert "9.9" in check.found


@pytest.mark.parametrize(
    ("mine", "level"),
    [("ssgan @ git+https://h/r@aa\n", "ok"), ("ssgan @ git+https://h/r@bb\n", "fail"), ("ssgan==0.1.0\n", "note")],
)
def test_another_commit_than_the_pinned_one_is_found(
    project: Path, mine: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone may hold that commit or not: it is noted."""
    Path("requirements.txt").write_text("# a comment\nssgan @ git+https://h/r@aa\n")
    monkeypatch.setattr(installation, "requirement", lambda: mine)
    assert find("version").level == level
