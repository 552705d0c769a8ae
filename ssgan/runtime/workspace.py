"""Local folders of a run."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def live_board(storage_url: str, run_id: str) -> Iterator[Path]:
    """Folder for TensorBoard events while training: in the storage folder if it is one, else temporary.

    A temporary one is removed with the block: by then the events of a finished training are in storage beside its weights, and
    those of an interrupted one are written anew from the history in its checkpoint.
    """
    if "://" not in storage_url:
        yield Path(storage_url).expanduser().absolute() / run_id / "tensorboard"
        return
    with tempfile.TemporaryDirectory(prefix="ssgan-tensorboard-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
