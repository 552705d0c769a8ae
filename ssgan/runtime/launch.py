"""From params and splits to finished, verified models: the train stage as one call."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import TrainingError
from ssgan.experiment import Role, final_key, roles
from ssgan.hashing import file_sha256
from ssgan.runtime.handshake import SUBMISSION, require_submission
from ssgan.runtime.identity import identity, labeled_ids_sha256, run_id
from ssgan.runtime.publish import located
from ssgan.runtime.start import publish_start, submitted_start
from ssgan.runtime.storage import open_store
from ssgan.runtime.storage_once import open_once
from ssgan.training.store import FolderStore
from ssgan.training.tick import Tick

FORMAT = 1


def train(config: Config, splits: Path, out: Path, on_tick: Callable[[Role, Tick], None]) -> dict[str, Any]:
    """Train what is not finished yet, fetch the results into ``out`` and write its manifest.

    A run is named after code, params and data: what is finished in storage is only fetched, what was interrupted resumes.

    Returns:
        The manifest (see ``_manifest``).
    """
    files = located(config.storage.url, splits)
    store = open_store(config.storage.url)
    start = submitted_start(config) if in_job() else publish_start(config, out, open_once(config.storage.url))
    same = identity(config, files, start=start)
    run = run_id(same)
    if in_job():
        require_submission(SUBMISSION, run, same)
    unfinished = open_roles(config, store, run)
    if unfinished and config.cluster.address and not in_job():
        from ssgan.runtime import cluster

        cluster.run(config, splits, run, same)
    elif unfinished:
        _backend(config)(config, files, run, same, unfinished, on_tick)
    for role in open_roles(config, store, run):
        raise TrainingError(
            f"the training ended without an error, but {final_key(run, role)} is not complete in {config.storage.url}; "
            "nothing is trusted before it is: see that only one process writes there, and train again"
        )
    if not in_job():
        return _collect(config, files, store, run, same, out)
    # Ray removes a job's own folder as soon as its driver has left Ray; the submitter fetches the results for itself.
    with tempfile.TemporaryDirectory(prefix="ssgan-results-") as folder:
        return _collect(config, files, store, run, same, Path(folder, "train"))


def in_job() -> bool:
    """Is this process the driver of a job that was submitted to a Ray cluster?"""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def open_roles(config: Config, store: FolderStore, run: str) -> list[Role]:
    """Roles whose results are not in storage."""
    return [role for role in roles(config) if final_key(run, role) not in store.keys(f"{run}/{role}")]


def _backend(config: Config) -> Callable[..., None]:
    # Imported here: the inline backend must not import Ray.
    if config.train.backend == "inline":
        from ssgan.runtime import inline

        return inline.run
    from ssgan.runtime import ray_train

    return ray_train.run


def _collect(
    config: Config, files: SplitFiles, store: FolderStore, run: str, same: dict[str, Any], out: Path
) -> dict[str, Any]:
    """Fetch the finished roles, check them against what was asked for, and put them in place as a whole."""
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        for role in roles(config):
            store.get(final_key(run, role), part / role)
        summaries = {role: json.loads((part / role / "summary.json").read_text()) for role in roles(config)}
        _check(config, files, summaries)
        manifest = _manifest(config, files, run, same, summaries, part)
        (part / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _check(config: Config, files: SplitFiles, summaries: dict[Role, dict[str, Any]]) -> None:
    """A clean end proves nothing: the results themselves must say that all of the work was done, with these labels."""
    wanted = {
        "steps": [config.train.steps],
        "world_size": config.train.worker_range,
        "num_labeled": [files.num_rows("labeled")],
    }
    for role, summary in summaries.items():
        for key, expected in wanted.items():
            if summary[key] not in expected:
                raise TrainingError(
                    f"the result of {role} says {key} {summary[key]}, but {' or '.join(map(str, expected))} was asked for; "
                    "remove this run from storage and train again"
                )


def _manifest(
    config: Config,
    files: SplitFiles,
    run: str,
    same: dict[str, Any],
    summaries: dict[Role, dict[str, Any]],
    folder: Path,
) -> dict[str, Any]:
    """What a finished training vouches for: every file by its hash, and all that made it."""
    main = summaries["main"]
    return {
        "format": FORMAT,
        "run_id": run,
        "code_version": same["code"],
        "data_version": same["data"],
        "start": same.get("start"),
        "config": config.model_dump(),
        "params": same["params"],
        "steps": main["steps"],
        "world_size": main["world_size"],
        "device": main["device"],
        "threads": main["threads"],
        "precision": main["precision"],
        "streaming": main["streaming"],
        "num_unlabeled": main["num_unlabeled"],
        "label_budget": main["num_labeled"],
        "labeled_ids_sha256": labeled_ids_sha256(files),
        "distinct_labeled_ids_seen": {role: s["distinct_labeled_ids_seen"] for role, s in summaries.items()},
        "best_step": {role: s["best_step"] for role, s in summaries.items()},
        "twin": "twin" in summaries,
        "seconds": {role: s["seconds"] for role, s in summaries.items()},
        "versions": {**main["versions"], "ray": version("ray"), "ssgan": version("ssgan")},
        "files": {str(f.relative_to(folder)): _entry(f) for f in sorted(folder.rglob("*")) if f.is_file()},
    }


def _entry(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": file_sha256(path)}
