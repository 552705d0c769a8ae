"""What a module imports, directly and through others, told from the source text alone: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("ssgan", "pipelines")


def closure(*modules: str) -> set[Path]:
    """Source files behind the modules, relative to the repository; packages without code are left out."""
    todo, seen = list(modules), set[str]()
    while todo:
        name = todo.pop()
        parts = name.split(".")
        for module in {".".join(parts[: i + 1]) for i in range(len(parts))} - seen:
            path = file_of(module)
            if path is not None:
                seen.add(module)
                todo += imports(path)
    files = {path for module in seen if (path := file_of(module)) is not None}
    return {path.relative_to(ROOT) for path in files if has_code(path)}


@cache
def file_of(module: str) -> Path | None:
    """The file of one of our modules; None for others, and for names that are no module."""
    if module.split(".")[0] not in OURS:
        return None
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file names in an import, also within functions; ``from a import b`` names a and a.b."""
    return tuple(_imports(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}: write it out"
            yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))


@cache
def has_code(path: Path) -> bool:
    """Whether a package file holds more than a docstring, ``__version__``, environment variables and ``load``, which no stage
    calls: it may change results."""
    if path.name != "__init__.py":
        return True
    return not all(_inert(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)


def _inert(node: ast.stmt) -> bool:
    text = ast.unparse(node)
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    door = isinstance(node, ast.FunctionDef) and node.name == "load"
    imports = ("import importlib", "import os", "from typing import Any")
    return docstring or door or text in imports or text.startswith(("__version__ = ", "os.environ.setdefault("))


# What says where and how something is computed, checks parameters, or is a tool: no result depends on it but through values
# that count themselves (parameters, hashes).
NOT_DECIDING = tuple(
    Path("ssgan") / name
    for name in (
        "atomic.py",
        "cluster",
        "config",
        "errors.py",
        "installation.py",
        "machine.py",
        "project",
        "provenance.py",
        "runs",
        "scratch.py",
        "storage",
        "wording.py",
    )
)


def deciding(files: Iterable[Path]) -> set[Path]:
    """Those of the files that decide on a result."""
    return {file for file in files if not any(covers(part, file) for part in NOT_DECIDING)}


def covers(part: Path, file: Path) -> bool:
    """Whether a file is the part, or lies in it."""
    return file == part or part in file.parents
