"""The driver of a submitted search: ``python -m ssgan.tuning.job`` is on a cluster what ``ssgan tune`` is here.

Its results come back through storage: every record is read back by its hash, and the search itself has recorded there, as the
last thing that it did, which trials belong to it. The submitter writes the reports.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ssgan.cluster.versions import SUBMISSION, require_submission
from ssgan.config import load
from ssgan.runs.job import main
from ssgan.tuning.search import prepare, search

SPLITS = Path("data/splits")


def tune() -> None:
    """Run the trials that are missing. Raises TrainingError where this would be another search than was submitted."""
    spec = prepare(load(), SPLITS)
    submitted = spec.as_run()
    require_submission(SUBMISSION, submitted.id, submitted.identity)
    # Ray removes the job's own folder when the last trial has ended, and Tune then asks where it is.
    os.chdir(tempfile.gettempdir())
    search(spec, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main(tune)
