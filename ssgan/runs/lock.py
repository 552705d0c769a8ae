"""One training at a time in a project: two would write the same checkpoints, and fail hours later."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssgan.errors import TrainingError

LOCK = Path(".ssgan/training.lock")  # of this machine: neither git nor DVC looks there


@contextmanager
def only_training(path: Path = LOCK) -> Iterator[None]:
    """Hold the lock. The system lets go of it when the process ends, however it does.

    Raises:
        TrainingError: another process trains here; naming it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TrainingError(
                f"another training runs in this project ({file.read().strip()}); wait until it has ended, or end it by Ctrl-C: "
                "the next one resumes from its last checkpoint"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {time.strftime('%H:%M')}")
        file.flush()
        yield
