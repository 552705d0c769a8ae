"""A stage in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.closure import ROOT


def stage(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `ssgan ingest` in a project's folder, with ``env`` laid over the environment."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run(
        [sys.executable, "-m", "ssgan", "ingest"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
