"""The driver of a submitted job: ``python -m ssgan.runs.job`` is on a cluster what the stage ``train`` is here.

Ray removes a job's own folder as soon as its driver has left, so nothing stays in it: the results are in storage, where the
submitter fetches them.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ssgan import scratch
from ssgan.cluster.versions import SUBMISSION, require_submission
from ssgan.config import load
from ssgan.errors import Exit, SsganError
from ssgan.runs.identity import run_of
from ssgan.runs.launch import collect, describe, train_here
from ssgan.runs.overview import details
from ssgan.runs.progress import progress_of
from ssgan.runs.publish import locate_splits
from ssgan.runs.start_from import submitted_start
from ssgan.storage.store import open_store

SPLITS = Path("data/splits")


def train() -> None:
    """Train what is not finished. Raises TrainingError where this would be another run than the one that was submitted."""
    config = load()
    print(details(config), flush=True)
    run = run_of(config, locate_splits(config, SPLITS), start=submitted_start(config))
    require_submission(SUBMISSION, run.id, run.identity)
    store = open_store(config.storage.url)
    with progress_of(config) as line:
        train_here(run, store, line)
    with scratch.folder("results") as folder:
        manifest = collect(run, store, Path(folder, "train"))  # checks them
    print(describe(manifest), flush=True)


def main(work: Callable[[], None]) -> None:
    """Run a driver: what a person can fix is one sentence and an exit code, for the submitter reads both."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster that ends a job means what Ctrl-C means
    try:
        work()
    except SsganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(Exit.of(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main(train)
