"""Local folders of a run."""

from __future__ import annotations

import tempfile
from pathlib import Path


def live_board(storage_url: str, run_id: str) -> Path:
    """Folder for TensorBoard events while training: in the storage folder if it is one, else temporary."""
    if "://" in storage_url:
        return Path(tempfile.mkdtemp(prefix="ssgan-tensorboard-"))
    return Path(storage_url).expanduser().absolute() / run_id / "tensorboard"
