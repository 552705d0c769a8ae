"""Tests are found where the code is, and lean on helpers, not on each other."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.closure import ROOT

TESTS = ROOT / "tests"
# Tests of what is not one package of ssgan, and what they are made of.
START_UP = Path("support/impatient")  # no package: Python runs what is in it when it starts
OTHERS = {"architecture", "benchmarks", "conformance", "infra", "on_cluster", "pipelines", "s3", "support"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, anywhere in it; ``a.b`` also for ``from a import b``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def is_test_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "tests" and any(part.startswith("test_") for part in parts[1:])


def test_no_file_imports_a_test_module() -> None:
    """What tests share is in tests/support, or a fixture in a conftest.py."""
    found = {path.relative_to(ROOT): sorted(filter(is_test_module, imported(path))) for path in TESTS.rglob("*.py")}
    assert {str(path): names for path, names in found.items() if names} == {}


def test_every_folder_of_tests_is_a_package_of_ours_or_has_a_name_here() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("*.py")} - {Path(), START_UP}
    packages = {path.parent.relative_to(ROOT / "ssgan") for path in (ROOT / "ssgan").rglob("__init__.py")}
    assert {str(folder) for folder in folders - packages} == OTHERS
    assert [str(folder) for folder in folders if not (TESTS / folder / "__init__.py").is_file()] == []
