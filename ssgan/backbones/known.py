"""Records of backbones in the cache of this machine: a provider has to build the network to make one."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ssgan import atomic
from ssgan.backbones.record import Backbone
from ssgan.provenance import file_sha256, json_sha256

PACKAGES = {"onnx": "onnxruntime", "timm": "timm", "torchvision": "torchvision"}  # behind each provider


def folder() -> Path:
    """Where they are kept, by what they follow from."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssgan/backbones"


def recalled(provider: str, architecture: str, weights: Path) -> tuple[Path, Backbone | None]:
    """The file of a record, and what it holds; None where it is not there, or damaged."""
    path = folder() / f"{_key(provider, architecture, weights)}.json"
    try:
        return path, Backbone.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return path, None


def keep(path: Path, backbone: Backbone) -> None:
    """Write a record for the next time; where that cannot be, there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, json.dumps(backbone.describe(), indent=1))
    except OSError:
        return


def _key(provider: str, architecture: str, weights: Path) -> str:
    """Of everything that a record follows from: names, weights, the provider's code and package."""
    code = find_spec(f"ssgan.backbones.{provider}")
    assert code is not None
    assert code.origin is not None
    try:
        package = version(PACKAGES[provider])
    except ModuleNotFoundError:  # an extra that is not installed
        package = None
    return json_sha256([provider, architecture, file_sha256(weights), file_sha256(Path(code.origin)), package])
