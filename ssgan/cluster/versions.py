"""Before anything is trained: is this machine what the submitter, or the driver, thinks it is?

Without torch: a node answers before it would have loaded that.
"""

from __future__ import annotations

import json
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ssgan.cluster.connection import on_node
from ssgan.errors import TrainingError
from ssgan.provenance import disagreements

SUBMISSION = Path("submission.json")  # comes with a job that ssgan submitted
ANSWER_S = 300.0  # a node may have to unpack the job's code and to start a process first
PACKAGES = ("ssgan", "torch", "ray", "numpy", "pyarrow")  # what has to be the same on all machines of a run
REMEDY = "use the same image on all nodes and here"


def versions() -> dict[str, str]:
    """Of this machine. Of Python the minor version: pickles of Ray need no more."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def other_versions(found: dict[str, str], expected: dict[str, str]) -> str:
    """Every difference as a part of a sentence; empty where there is none."""
    return ", ".join(
        f"{name} {found[name]} instead of {expected.get(name)}" for name in found if found[name] != expected.get(name)
    )


def require_versions(expected: dict[str, str], whose: str) -> None:
    """Raises TrainingError, with this machine's name and every difference, unless its versions are the expected ones."""
    if different := other_versions(versions(), expected):
        raise TrainingError(f"node {socket.gethostname()} has {different} ({whose}); {REMEDY}")


def require_nodes(ray: Any) -> None:
    """Before workers start: has every living node the versions of this driver?

    Ray Train connects its workers before any of our code runs in them, and where torch differs it is that which fails, with a
    message about process groups. Raises TrainingError that names all nodes that differ, or that do not answer.
    """
    others = {node["NodeID"]: node for node in living(ray) if node["NodeID"] != ray.get_runtime_context().get_node_id()}
    expected = versions()
    asked = {node_id: _ask(ray, node_id) for node_id in others}
    troubles = [(others[node_id], _trouble(ray, node_id, answer, expected)) for node_id, answer in asked.items()]
    named = [f"node {node['NodeName']} ({node['NodeManagerHostname']}) {trouble}" for node, trouble in troubles if trouble]
    if named:
        raise TrainingError(f"{'; '.join(named)} (compared with the driver of the run); {REMEDY}")


def living(ray: Any) -> list[dict[str, Any]]:
    """What Ray knows of the nodes that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def _ask(ray: Any, node_id: str) -> Any:
    return ray.remote(num_cpus=0, max_retries=0)(versions).options(scheduling_strategy=on_node(node_id)).remote()


def _trouble(ray: Any, node_id: str, answer: Any, expected: dict[str, str]) -> str:
    """What is wrong with a node, empty if nothing, or if it is gone meanwhile: then no worker will be there."""
    try:
        different = other_versions(ray.get(answer, timeout=ANSWER_S), expected)
        return f"has {different}" if different else ""
    except ray.exceptions.RayError as error:
        if node_id not in {node["NodeID"] for node in living(ray)}:
            return ""
        if isinstance(error, ray.exceptions.GetTimeoutError):
            return f"did not report its versions within {ANSWER_S:.0f} s"
        return f"cannot run the code of this project: {str(error).strip().splitlines()[-1]}"


def require_submission(path: Path, run: str, identity: dict[str, Any]) -> None:
    """In a job: are versions, code, parameters and data those that were submitted? A job sent by hand has no ``path``.

    Raises TrainingError with every difference: training something else than was asked for must not look like success.
    """
    if not path.exists():
        return
    submission = json.loads(path.read_text())
    require_versions(submission["versions"], "as on the submitter")
    if submission["run"] != run:
        found = disagreements(submission["identity"], json.loads(json.dumps(identity)))
        raise TrainingError(
            f"the job would train {run}, but {submission['run']} was submitted ({'; '.join(found)}); submit it again"
        )
