"""What has to be the same on all machines of a run. Without torch: a node answers before it would have loaded that."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("ssgan", "torch", "ray", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """Of this machine. Of Python the minor version: pickles of Ray need no more."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def other_versions(found: dict[str, str], expected: dict[str, str]) -> str:
    """Every difference as a part of a sentence; empty where there is none."""
    return ", ".join(
        f"{name} {found[name]} instead of {expected.get(name)}" for name in found if found[name] != expected.get(name)
    )
