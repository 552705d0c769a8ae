"""When did what happen? Writes a line at each mark of a submission, in whichever process it happens.

A copy named ``sitecustomize.py`` travels with the job (``cluster.include``), so that Python loads it in the submitter, in the
job's driver and in the Ray workers, and the library needs no code for a benchmark. All clocks are those of one machine.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

VARIABLE = "SSGAN_BENCHMARK_MARKS"  # path of the file; no marks without it
BEFORE = {
    "ssgan.runs.submit.submit": "identity known",
    "ssgan.runs.on_ray._fit": "Ray connected",
    "ssgan.runs.on_ray._worker": "worker up",
    "ssgan.training.loop.fit": "data read",
}
AFTER = {
    "ssgan.runs.publish.publish": "published",
    "ssgan.runs.bundle.write": "bundled",
    "ssgan.cluster.jobs.Jobs.submit": "sent",
    "ssgan.cluster.versions.require_versions": "versions compared",
    "ssgan.training.step.run_step": "first step",
}
done: set[str] = set()


def mark(name: str) -> None:
    """Note the time; of each name the first in this process."""
    if name not in done:
        done.add(name)
        line = json.dumps(
            {"name": name, "at": time.time(), "pid": os.getpid(), "job": "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ}
        )
        with open(os.environ[VARIABLE], "a") as file:
            file.write(line + "\n")


def wrapped(function: Callable[..., Any], before: str | None, after: str | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*positional: Any, **named: Any) -> Any:
        if before:
            mark(before)
        result = function(*positional, **named)
        if after:
            mark(after)
        return result

    return call


def wrap_all(module: ModuleType) -> None:
    """Put marks around those functions of a fresh module that are listed above."""
    for path in BEFORE | AFTER:
        if path.startswith(f"{module.__name__}."):
            owner: Any = module
            *outer, name = path.removeprefix(f"{module.__name__}.").split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, name, wrapped(getattr(owner, name), BEFORE.get(path), AFTER.get(path)))


class Finder(importlib.abc.MetaPathFinder):
    """Finds as ever, and wraps what was loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if not any(function.startswith(f"{name}.") for function in BEFORE | AFTER):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader and spec.submodule_search_locations is None:
            load = spec.loader.exec_module

            def execute(module: ModuleType) -> None:
                load(module)
                wrap_all(module)

            spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec


if VARIABLE in os.environ:
    sys.meta_path.insert(0, Finder())
    if "ssgan.runs.job" in sys.orig_argv:
        mark("driver starts")
