"""The log of a run: one record per validation, kept in the checkpoint, written as JSON lines and as TensorBoard events."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssgan import scratch

Record = dict[str, Any]
"""step, seconds, images_per_second, data_wait_share, terms {PHASE/TERM: mean since the last record}, val_error_rate or None,
warnings [text]."""


def write_jsonl(history: list[Record], path: Path) -> None:
    """One record per line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in history))


class Board:
    """TensorBoard events of a run, in one folder; the records of earlier attempts are written again on resuming."""

    def __init__(self, folder: Path, history: list[Record]) -> None:
        # Imported here: TensorBoard takes a second to import, and only rank 0 writes events.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        for record in history:
            self.add(record)

    def add(self, record: Record) -> None:
        """Write the scalars of one record."""
        step = record["step"]
        scalars = {**record["terms"], "speed/images_per_second": record["images_per_second"]}
        scalars["speed/data_wait_share"] = record["data_wait_share"]
        if record["val_error_rate"] is not None:
            scalars["val/error_rate"] = record["val_error_rate"]
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


@contextlib.contextmanager
def live_board(storage_url: str, run_id: str) -> Iterator[Path]:
    """Folder for TensorBoard events while training: in the storage folder if it is one, else temporary.

    A temporary one is removed with the block: by then the events of a finished training are in storage beside its weights, and
    those of an interrupted one are written anew from the history in its checkpoint.
    """
    if "://" not in storage_url:
        yield Path(storage_url).expanduser().absolute() / run_id / "tensorboard"
        return
    with scratch.folder("tensorboard") as folder:
        yield Path(folder)
