"""``ssgan remove`` in a project of DVC with a history: no file of it holds the pixels any more; ingest refuses the image."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ssgan.cli.app import run
from ssgan.data import images
from ssgan.data.files import SplitFiles, data_version
from ssgan.data.schema import SETS, read_set
from ssgan.data.tombstones import load
from ssgan.errors import DataError
from ssgan.registry.registry import VERSIONS
from ssgan.registry.version import MISTAKES, PREDICTIONS
from ssgan.storage.store import open_store
from tests.support.closure import ROOT
from tests.support.dvc_here import dvc_in
from tests.support.images import blob, ingested, write

STAGES = {
    "ingest": {
        "cmd": "ssgan ingest",
        "deps": ["raw", "removed.csv"],
        "outs": [{f"data/{name}": {"persist": True}} for name in images.OUTPUTS if name != images.INDEX],
    },
    "split": {"cmd": "ssgan split", "deps": ["data/images", "data/index"], "outs": ["data/splits"]},
}


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self.environment["DVC_SITE_CACHE_DIR"] = str(folder.parent / "site")

    def repro(self) -> None:
        """``dvc repro``."""
        with dvc_in(self.folder, **self.environment) as repo:
            repo.reproduce()

    def ids(self, name: str) -> set[str]:
        return set(SplitFiles(str(self.folder / "data/splits")).ids(name))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two versions of data in DVC's cache, a remote, and a page."""
    project = Project(tmp_path_factory.mktemp("remove") / "project")
    write(project.folder / "raw", {f"{'ab'[n % 2]}/{n:03d}.png": blob(n) for n in range(60)} | {"b/twin.png": blob(0)})
    params = {
        "data": {"source": {"kind": "folder", "path": "raw"}},
        "split": {"num_labels": 4, "on_conflict": "drop"},
        "storage": {"url": "storage"},
    }
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (project.folder / "removed.csv").write_text("sha256,removed_on,reason,trained\n")
    with dvc_in(project.folder, **project.environment):  # dvc init
        (project.folder / ".dvc/config").write_text(
            "[core]\n    no_scm = True\n    remote = far\n['remote \"far\"']\n    url = s3://bucket/dvc\n"
        )
    project.repro()
    write(project.folder / "raw", {f"a/new-{n}.png": blob(1000 + n) for n in range(5)})
    project.repro()
    return project


def unlabeled(project: Project) -> str:
    """An image that is in the unlabeled set, but not in the labeled one."""
    return min(project.ids("unlabeled") - project.ids("labeled"))


def pixels(project: Project, image: str) -> bytes:
    table = read_set(project.folder / "data/images")
    return bytes(table["pixels"][table["id"].to_pylist().index(image)].as_py())


def files_with(folder: Path, content: bytes) -> list[str]:
    """Every file below a folder, but for raw images, that holds these bytes. Shards are not compressed."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "raw" not in path.relative_to(folder).parts)
    return [str(path.relative_to(folder)) for path in files if content in path.read_bytes()]


def put_version(folder: Path, name: str, ids: list[str]) -> None:
    """Of a version of the registry what a removal looks at."""
    version = folder.parent / name
    version.mkdir()
    for table in (PREDICTIONS, MISTAKES):
        pq.write_table(pa.table({"id": ids}), version / table)
    open_store(str(folder / "storage")).put(version, f"{VERSIONS}/{name}")


def test_no_pixel_is_left_and_the_image_does_not_come_back(
    original: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, folder = original, original.folder
    monkeypatch.chdir(folder)
    image = unlabeled(project)
    (row,) = [r for r in ingested(folder / "data").to_pylist() if r["id"] == image]
    content = pixels(project, image)
    manifest = {"run_id": "run-0123", "data_version": data_version(SplitFiles(str(folder / "data/splits")))}
    write(folder, {"runs/train/manifest.json": json.dumps(manifest).encode(), "report/index.html": b"<html>" + content})
    write(folder, {".dvc/cache/files/md5/00/page": b"<!DOCTYPE html>" + content, "storage/splits/abc/x": content})
    listing = json.dumps([{"md5": "0123", "relpath": "mistakes.png"}, {"md5": "0199", "relpath": "index.html"}]).encode()
    write(folder, {".dvc/cache/files/md5/00/report.dir": listing, ".dvc/cache/files/md5/01/23": b"PNG" + content})
    write(
        folder, {"audit/suspects.html": content, "reports/compare/index.html": content, "reports/compare/verdict.json": b"{}"}
    )
    for name, ids in (("m-01", [image]), ("m-02", ["other"])):
        put_version(folder, name, ids)
    shutil.copytree(folder.parent / "m-01", folder / "live")
    before = files_with(folder, content)
    assert len([name for name in before if name.startswith(".dvc/cache")]) >= 3  # a shard, a page, a sheet

    assert run(["remove", row["path"], "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "nothing was changed" in said
    assert files_with(folder, content) == before
    assert load() == frozenset()

    assert run(["remove", row["path"], "--reason", "asked, by mail"]) == 3  # a remote is left to a person
    said = capsys.readouterr().out
    assert "model run-0123: 1 unlabeled; trained on them; train again, from random weights" in said
    for name in before:
        if name.startswith(".dvc/cache"):
            assert name in said
            assert f"s3://bucket/dvc/files/md5/{'/'.join(name.split('/')[-2:])}" in said
    assert f"  {row['path']}" in said.split("left for you to do: the raw files")[1]
    assert "  registry/versions/m-01" in said.split("left for you to do: models that were evaluated on them")[1]
    assert "m-02" not in said
    assert "copies of such models in this project; delete them:\n  live\n" in said
    shutil.rmtree(folder / "live")
    assert (folder / "reports/compare/verdict.json").exists()
    known = [name for name in files_with(folder, bytes.fromhex(image)) if not name.startswith("storage")]
    assert known == ["data/.ingest-index.parquet"]  # by hash alone, so that it is not read again
    assert files_with(folder, content) == ["storage/splits/abc/x"]  # no complete folder of storage, which is another test
    assert [r[0] for r in csv.reader((folder / "removed.csv").open())][1:] == [image]
    assert (
        (folder / "removed.csv")
        .read_text()
        .endswith(f',"asked, by mail",run-0123,{hashlib.sha256(row["path"].encode()).hexdigest()}\n')
    )

    kept = {p.name: p.read_bytes() for p in (folder / "data").glob("i*/*")}
    project.repro()
    assert {p.name: p.read_bytes() for p in (folder / "data").glob("i*/*")} == kept  # it had been done already
    metrics = json.loads((folder / "metrics/ingest.json").read_text())
    assert (metrics["seen"], metrics["accepted"], metrics["removed"], metrics["duplicates"]) == (66, 64, 1, 1)
    assert image not in set().union(*map(project.ids, SETS))
    assert [name for name in files_with(folder, content) if not name.startswith("storage")] == []
    assert run(["remove", image]) == 3  # again: what was left to a person is still there
    open_store(str(folder / "storage")).delete(f"{VERSIONS}/m-01")
    assert run(["remove", image]) == 0  # nothing to do but to say so
    assert len(load()) == 1


def test_a_copy_and_a_file_that_is_only_here(
    original: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(original.folder)
    image = hashlib.sha256(blob(0)).hexdigest()
    write(tmp_path, {"other.png": blob(5555)})
    assert run(["remove", "b/twin.png", str(tmp_path / "other.png")]) == 3
    assert f"{image}  a/000.png, b/twin.png" in capsys.readouterr().out
    assert {bytes.fromhex(image), hashlib.sha256(blob(5555)).digest()} <= load()
    assert image not in pq.read_table("data/duplicates.parquet")["id"].to_pylist()


def test_what_is_no_image_is_named_and_nothing_happens(
    original: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(original.folder)
    before = load()
    assert run(["remove", "a/002.png", "a/nowhere.png"]) == 1
    assert "'a/nowhere.png' is not a sha256, a path in data/index" in capsys.readouterr().err
    assert load() == before


def test_settings_that_dvc_cannot_read_are_an_error_before_anything_is_removed(
    original: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(original.folder)
    before, settings = load(), Path(".dvc/config").read_text()
    try:
        Path(".dvc/config").write_text("[core")
        assert run(["remove", "a/002.png"]) == 1
    finally:
        Path(".dvc/config").write_text(settings)
    assert "error: DVC cannot read its settings: " in capsys.readouterr().err
    assert load() == before


def test_a_damaged_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "removed.csv").write_text("sha256,removed_on,reason,trained\nabc,,,\n")
    with pytest.raises(DataError, match="line 2 begins with 'abc'"):
        load(tmp_path / "removed.csv")
