"""What makes a run the run that it is: code, parameters and data. The same inputs resume, other inputs never do."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

from ssgan.config import Config
from ssgan.data.files import SplitFiles, data_version
from ssgan.provenance import ids_sha256
from ssgan.training.context import AUTO, PROBE, TWIN, Run
from ssgan.training.roles import role_method, roles

PACKAGE = Path(__file__).parents[1]

# Files and folders whose code decides what a training computes, besides the files of the methods themselves. Parameters count
# by their values, and what errors say to people decides nothing. A test compares them with the imports of
# ssgan.training.experiment.
CODE = (
    "core",
    "data/digests.py",
    "data/files.py",
    "data/loaders.py",
    "data/sampler.py",
    "data/schema.py",
    "data/store.py",
    "data/streaming.py",
    "features/space.py",
    "fitting",
    "methods/__init__.py",
    "nets",
    "players",
    "training",
)

# Parameters of ``train`` that change how a run is executed, not what it computes.
# start_from counts by the weights that it leads to, not by their name.
EXECUTION = {
    "backend",
    "check_every",
    "cpus_per_worker",
    "max_failures",
    "keep_checkpoints",
    "log_every_seconds",
    "loggers",
    "step_timeout_s",
    "twin",
    "start_from",
}


def code_files(method: str) -> list[Path]:
    """The source files behind a training, sorted."""
    named = [PACKAGE / part for part in CODE] + [PACKAGE / f"methods/{name}.py" for name in sorted({method, TWIN, PROBE, AUTO})]
    return sorted({file for path in named for file in (path.rglob("*.py") if path.is_dir() else [path])})


def code_version(method: str) -> str:
    """sha256 over names and code of ``code_files``: comments, layout, docstrings and the messages of errors do not count."""
    digest = hashlib.sha256()
    for file in code_files(method):
        code = ast.unparse(_Meaning().visit(ast.parse(file.read_text(encoding="utf-8"))))
        digest.update(f"{file.relative_to(PACKAGE)}\0{code}\0".encode())
    return digest.hexdigest()


class _Meaning(ast.NodeTransformer):
    """Takes away what does not decide what code computes: docstrings and other lone strings, and the texts of errors."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.copy_location(ast.Pass(), node) if text else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _WithoutTexts().visit(node)


class _WithoutTexts(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")


def labeled_ids_sha256(files: SplitFiles) -> str:
    """sha256 over the sorted ids of the labeled set."""
    return ids_sha256(files.ids("labeled"))


def params(config: Config) -> dict[str, Any]:
    """The parameters that decide what a training computes, with the resolved hyperparameters of every role."""
    methods = {role: role_method(config, role) for role in roles(config)}
    return {
        "method": {role: {"name": name, **resolved.model_dump()} for role, (name, resolved) in methods.items()},
        "net": config.net.model_dump(),
        "augment": config.augment.model_dump(),
        "features": config.features.model_dump(include={"dimensions"}) if config.features.backbone else None,
        "loader": config.loader.model_dump(),
        "train": {k: v for k, v in config.train.model_dump().items() if k not in EXECUTION},
    }


def identity(config: Config, files: SplitFiles, data: str | None = None, start: dict[str, str] | None = None) -> dict[str, Any]:
    """What a checkpoint must agree with to be resumed from.

    Args:
        data: version of the data, where it is known already.
        start: sha256 of the weights that each role begins with; None: random ones.
    """
    inputs: dict[str, Any] = {
        "params": params(config),
        "code": code_version(config.method.name),
        "data": data or data_version(files),
    }
    return inputs | ({"start": start} if start else {})


def run_id(identity: dict[str, Any]) -> str:
    """Name of the run in storage: 12 hex digits of the hash of its identity."""
    return "run-" + hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def run_of(config: Config, files: SplitFiles, data: str | None = None, start: dict[str, str] | None = None) -> Run:
    """The run of these inputs; arguments as of ``identity``."""
    identified = identity(config, files, data, start)
    return Run(run_id(identified), identified, config, files)
