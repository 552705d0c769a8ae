"""The search as a job on the cluster of ``cluster.address``; what it remembers comes home through storage.

The reports are made here, from the memory of the search: every record is read back by its hash, and the search itself has
said in storage, as the last thing that it did, which trials belong to it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ssgan.errors import TrainingError
from ssgan.runtime import cluster
from ssgan.runtime.handshake import SUBMISSION, require_submission
from ssgan.runtime.jobs import TUNE
from ssgan.runtime.launch import in_job
from ssgan.runtime.storage import open_store
from ssgan.runtime.trial_log import TrialLog, finished
from ssgan.runtime.tune import Search, search
from ssgan.tuning.space import example
from ssgan.tuning.trials import Trial, best


def find(found: Search, splits: Path, say: Callable[[str], None]) -> list[Trial]:
    """All trials of the search: run here, or on the cluster if there is one and this process is not its job already."""
    if in_job():
        require_submission(SUBMISSION, found.name, found.identity(example(found.config.tune.space)))
        # Ray removes the job's own folder when the last trial has ended, and Tune then asks where it is.
        os.chdir(tempfile.gettempdir())
    elif found.config.cluster.address:
        return _find_there(found, splits, say)
    return search(found, say)


def _find_there(found: Search, splits: Path, say: Callable[[str], None]) -> list[Trial]:
    """Submit the search unless it is finished, or come back to its job. Raises as ``cluster.run`` does."""
    config = found.config
    log = TrialLog(open_store(config.storage.url), found.name)
    if log.closed(config.tune.trials) is None:
        cluster.run(config, splits, found.name, found.identity(example(config.tune.space)), say, TUNE)
    trials = log.read()
    require_whole(log, trials, found)
    return trials


def require_whole(log: TrialLog, trials: list[Trial], found: Search) -> None:
    """A clean end proves nothing: raises TrainingError unless all trials have ended and the model of the best is whole."""
    wanted, checkpoint = found.config.tune.trials, found.config.evaluate.checkpoint
    ended = {trial.run for trial in trials if trial.state != "running"}
    missing = set(log.closed(wanted) or [found.name]) - ended
    first = best(trials, checkpoint)
    if first and finished(log.store, first) != first:
        missing.add(first.run)
    if missing:
        raise TrainingError(
            f"the search ended without an error, but {', '.join(sorted(missing))} is not complete in "
            f"{found.config.storage.url}; nothing is trusted before it is: run `ssgan tune` again, it goes on where it was"
        )
