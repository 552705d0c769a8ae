"""What a user installs: the wheel holds the stages, the page's templates and what ``ssgan init`` writes, and no tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from ssgan import __version__
from tests.support.closure import ROOT


def test_the_wheel_holds_all_that_runs(tmp_path: Path) -> None:
    for name in ("ssgan", "pipelines", "tests", "infra"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = "import setuptools.build_meta as backend; backend.build_wheel('out')"
    (tmp_path / "out").mkdir()
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, check=True)
    names = zipfile.ZipFile(next((tmp_path / "out").glob("*.whl"))).namelist()
    wanted = [
        path.relative_to(ROOT).as_posix()
        for folder in ("ssgan", "pipelines")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert sorted(set(wanted) - set(names)) == []
    assert {name.split("/")[0] for name in names} == {"ssgan", "pipelines", f"ssgan-{__version__}.dist-info"}
