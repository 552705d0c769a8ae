"""What a job is sent: parameters, code and what the project asks for, and nothing that is too large."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ssgan.config import ClusterConfig
from ssgan.errors import ConfigError
from ssgan.runs import bundle
from tests.support.closure import ROOT

POINTER = {"key": "splits/0123456789abcdef", "data": "0" * 64, "lock": None}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters, and with data that must stay at home."""
    folder = tmp_path / "project"
    (folder / "data/splits/labeled").mkdir(parents=True)
    (folder / "data/splits/labeled/part-00000.parquet").write_bytes(bytes(1000))
    (folder / "params.yaml").write_text("train: {steps: 5}\n")
    (folder / "extra").mkdir()
    (folder / "extra/big.bin").write_bytes(bytes(3 << 20))
    (folder / "extra/small.txt").write_text("small")
    monkeypatch.chdir(folder)
    return folder


def sent(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_code_parameters_and_pointers_are_sent_and_no_data(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "upload"
    out.mkdir()
    bundle.write(out, ClusterConfig(), POINTER, {"run": "run-1"})
    names = sent(out)
    assert {"params.yaml", "published.json", "submission.json", "ssgan/runs/job.py", "ssgan/training/experiment.py"} <= names
    assert all(name.endswith(".py") or "/" not in name for name in names)
    assert json.loads((out / "published.json").read_text()) == POINTER


def test_the_code_that_is_sent_runs_where_no_other_is(project: Path, tmp_path: Path) -> None:
    """The upload alone, in a Python that would find no ssgan otherwise, names the same code as here."""
    from ssgan.runs.identity import code_version

    out = tmp_path / "upload"
    out.mkdir()
    bundle.write(out, ClusterConfig(), POINTER, {})
    text = (
        "import ssgan, ssgan.runs.job; from ssgan.runs.identity import code_version; "
        "print(ssgan.__file__, code_version('feature_matching'))"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=out, capture_output=True, text=True, check=True)
    file, version = done.stdout.split()
    assert Path(file).is_relative_to(out)
    assert version == code_version("feature_matching")


def test_what_is_included_is_sent_too(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "upload"
    out.mkdir()
    size = bundle.write(out, ClusterConfig(include=["extra"]), POINTER, {})
    assert {"extra/big.bin", "extra/small.txt"} <= sent(out)
    assert size > 3 << 20


def test_an_upload_over_the_limit_names_the_biggest_paths(project: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"`cluster.upload_limit` is 2.0 MiB; the biggest: extra/big.bin \(3.0 MiB\), "
    ) as error:
        bundle.write(tmp_path, ClusterConfig(include=["extra"], upload_limit=2 << 20), POINTER, {})
    assert "storage" in str(error.value)


@pytest.mark.parametrize("name", ["missing", "../outside", "/etc/hostname"])
def test_only_what_belongs_to_the_project_can_be_included(name: str, project: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"`cluster.include` names '{name}'"):
        bundle.write(tmp_path, ClusterConfig(include=[name]), POINTER, {})


@pytest.mark.parametrize("rules", [".rayignore", "ssgan/templates/project/rayignore"])
def test_ray_job_submit_sends_no_data_either(rules: str, project: Path, tmp_path: Path) -> None:
    """Ray's own packing, told by our .rayignore, of a project with data, keys and an environment beside it."""
    from ray._private.runtime_env.packaging import create_package

    (project / ".rayignore").write_text((ROOT / rules).read_text())
    (project / ".gitignore").write_text((ROOT / "ssgan/templates/project/gitignore").read_text())
    for name in ("published.json", "dvc.lock", ".s3.env", ".cluster/token", "runs/train/model.safetensors", "storage/x/y"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    package = tmp_path / "package.zip"
    create_package(str(project), package, include_gitignore=True)
    assert set(zipfile.ZipFile(package).namelist()) == {"params.yaml", "published.json", "dvc.lock"}
