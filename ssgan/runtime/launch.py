"""From params and splits to finished, verified models: the train stage as one call."""

from __future__ import annotations

import json
import shutil
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
from ssgan.runtime.identity import identity, labeled_ids_sha256, run_id
from ssgan.runtime.storage import open_store
from ssgan.training.loop import Tick
from ssgan.training.store import FolderStore

FORMAT = 1


def train(config: Config, splits: Path, out: Path, on_tick: Callable[[Role, Tick], None]) -> dict[str, Any]:
    """Train what is not finished yet, fetch the results into ``out`` and write its manifest.

    A run is named after code, params and data: what is finished in storage is only fetched, what was interrupted resumes.

    Returns:
        The manifest (see ``_manifest``).
    """
    files = SplitFiles(str(splits.absolute()))
    same = identity(config, files)
    run = run_id(same)
    store = open_store(config.storage.url)
    open_roles = [role for role in roles(config) if final_key(run, role) not in store.keys(f"{run}/{role}")]
    if open_roles:
        _backend(config)(config, files, run, same, open_roles, on_tick)
    return _collect(config, files, store, run, same, out)


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
        _check(config, summaries)
        manifest = _manifest(config, files, run, same, summaries, part)
        (part / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _check(config: Config, summaries: dict[Role, dict[str, Any]]) -> None:
    """A clean end proves nothing: the results themselves must say that all of the work was done."""
    for role, summary in summaries.items():
        for key, expected in (("steps", config.train.steps), ("world_size", config.train.num_workers)):
            if summary[key] != expected:
                raise TrainingError(
                    f"the result of {role} says {key} {summary[key]}, but {expected} was asked for; "
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
        "config": config.model_dump(),
        "params": same["params"],
        "steps": main["steps"],
        "world_size": main["world_size"],
        "device": main["device"],
        "threads": main["threads"],
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
