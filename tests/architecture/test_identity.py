"""The hash that names a run covers the code behind a training: no file too few, and none too many."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.method import names
from ssgan.runtime.identity import code_files
from tests.architecture.closure import ROOT, closure, has_code

FAMILIES = [f"ssgan.nets.{path.stem}" for path in (ROOT / "ssgan/nets").glob("*.py") if path.stem != "__init__"]


def behind(method: str) -> set[Path]:
    return closure("ssgan.experiment", f"ssgan.methods.{method}", "ssgan.methods.supervised", *FAMILIES)


def named(method: str) -> set[Path]:
    return {path.relative_to(ROOT) for path in code_files(method) if has_code(path)}


@pytest.mark.parametrize("method", names())
def test_identity_covers_what_training_imports(method: str) -> None:
    missing = sorted(map(str, behind(method) - named(method)))
    assert missing == [], "ssgan/runtime/identity.py, CODE: these files are missing"


def test_identity_names_no_file_that_no_training_uses() -> None:
    idle = set.union(*map(named, names())) - set.union(*map(behind, names()))
    assert sorted(map(str, idle)) == [], "ssgan/runtime/identity.py, CODE: training does not use these files"
