"""Before anything is trained: is this machine what the submitter, or the driver, thinks it is?"""

from __future__ import annotations

import json
import platform
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ssgan.errors import TrainingError
from ssgan.training.checkpoint import differences

SUBMISSION = Path("submission.json")  # comes with a job that ssgan submitted


def versions() -> dict[str, str]:
    """Of what has to be the same on all machines of a run. Of Python the minor version: pickles of Ray need no more."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = {name: version(name) for name in ("torch", "ray", "numpy", "pyarrow")}
    return {"python": python, "ssgan": version("ssgan"), **packages}


def require_versions(expected: dict[str, str], whose: str) -> None:
    """Raises TrainingError, with this machine's name and every difference, unless its versions are the expected ones."""
    mine = versions()
    different = [f"{name} {mine[name]} instead of {expected.get(name)}" for name in mine if mine[name] != expected.get(name)]
    if different:
        raise TrainingError(
            f"node {socket.gethostname()} has {', '.join(different)} ({whose}); use the same image on all nodes and here"
        )


def require_submission(path: Path, run: str, identity: dict[str, Any]) -> None:
    """In a job: are versions, code, parameters and data those that were submitted? A job sent by hand has no ``path``.

    Raises TrainingError with every difference: training something else than was asked for must not look like success.
    """
    if not path.exists():
        return
    submission = json.loads(path.read_text())
    require_versions(submission["versions"], "as on the submitter")
    if submission["run"] != run:
        found = differences(submission["identity"], json.loads(json.dumps(identity)))
        raise TrainingError(
            f"the job would train {run}, but {submission['run']} was submitted ({'; '.join(found)}); submit it again"
        )
