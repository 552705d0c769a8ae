"""A copy of this repository in which the whole pipeline has run once, by ``dvc repro``, with very few steps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.closure import ROOT
from tests.support.dvc_here import dvc_in

PARTS = (
    "ssgan",
    "pipelines",
    "dvc.yaml",
    "tune/dvc.yaml",
    "removed.csv",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    "data/raw",
)
SMALL: dict[str, dict[str, Any]] = {
    "train": {"backend": "inline", "cpus_per_worker": 1, "steps": 30, "val_every": 10, "checkpoint_every": 15},
    "net": {"width": 0.2},
}


class Project:
    """The copy, and how to run something in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.first = ""  # what the first `dvc repro` printed
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_", "GIT_"))}
        self._environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{role}_{what}": "tests@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def __call__(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; ``code`` is the exit code that it must have."""
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert code in (None, done.returncode), f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def changed(self) -> set[str]:
        """Stages that read something else than the last time: what ``dvc status`` prints."""
        with dvc_in(
            self.folder, **{name: self._environment[name] for name in ("DVC_SITE_CACHE_DIR", "GIT_CONFIG_GLOBAL")}
        ) as repo:
            return set(repo.status())

    def commit(self, message: str) -> None:
        self("git", "add", "-A")
        self("git", "commit", "-qm", message)

    def params(self) -> dict[str, dict[str, object]]:
        value: dict[str, dict[str, object]] = yaml.safe_load((self.folder / "params.yaml").read_text())
        return value


def copy_repository(folder: Path) -> None:
    """The tracked parts that a pipeline needs, with params.yaml made small."""
    for part in PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if part == "data/raw":
            target.mkdir()
            shutil.copy(ROOT / part / "README.md", target)
        elif (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, values in SMALL.items():
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every stage has run, and all that belongs into git is committed. Tests leave it as they found it."""
    home = tmp_path_factory.mktemp("pipeline")
    project = Project(home / "project", home)
    copy_repository(project.folder)
    project("git", "init", "-q")
    project.commit("the pipeline")
    project.first = project("dvc", "repro").stdout
    project.commit("its results")
    return project
