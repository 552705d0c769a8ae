"""The hash that names a run covers the code behind a training: no file too few, and none too many."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssgan.methods import names
from ssgan.runs import identity
from ssgan.runs.identity import code_files
from tests.support.closure import ROOT, closure, deciding, has_code

FAMILIES = [f"ssgan.nets.{path.stem}" for path in (ROOT / "ssgan/nets").glob("*.py") if path.stem != "__init__"]


def behind(method: str) -> set[Path]:
    return deciding(closure("ssgan.training.experiment", f"ssgan.methods.{method}", "ssgan.methods.supervised", *FAMILIES))


def named(method: str) -> set[Path]:
    return {path.relative_to(ROOT) for path in code_files(method) if has_code(path)}


def test_identity_covers_what_training_imports() -> None:
    missing = {name: sorted(map(str, behind(name) - named(name))) for name in names()}
    assert {name: files for name, files in missing.items() if files} == {}, "ssgan/runs/identity.py, CODE lacks these files"


def test_identity_names_no_file_that_no_training_uses() -> None:
    idle = {path for name in names() for path in named(name)} - {path for name in names() for path in behind(name)}
    assert sorted(map(str, idle)) == [], "ssgan/runs/identity.py, CODE: training does not use these files"


EDITS = {
    "a comment": ("core/losses.py", "from torch import Tensor", "# because\nfrom torch import Tensor", True),
    "a docstring": ("training/step.py", '"""Run all phases that are due', '"""Run every phase that is due', True),
    "a message": ("core/losses.py", "expected {dims} dimension(s)", "it has to have {dims} dimension(s)", True),
    "the layout": ("training/loop.py", "import time\n", "import time\n\n\n", True),
    "an operator": ("training/step.py", "phase.optimizer.lr * lr_factor", "phase.optimizer.lr + lr_factor", False),
    "a default": ("training/step.py", "lr_factor: float | Tensor = 1.0", "lr_factor: float | Tensor = 0.5", False),
    "a key": ("training/step.py", 'group["lr"] =', 'group["rate"] =', False),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_decides_nothing_changes_no_id(edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "ssgan", tmp_path / "ssgan", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(identity, "PACKAGE", tmp_path / "ssgan")
    name, before, after, same = EDITS[edit]
    file, version = tmp_path / "ssgan" / name, identity.code_version("feature_matching")
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    assert (identity.code_version("feature_matching") == version) is same
