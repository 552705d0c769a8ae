"""From params and splits to finished, verified models: the train stage as one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ssgan import atomic
from ssgan.config import Config
from ssgan.errors import TrainingError
from ssgan.provenance import file_sha256
from ssgan.runs.curves import OnRecord, recorded
from ssgan.runs.identity import labeled_ids_sha256, run_of
from ssgan.runs.progress import LABELS
from ssgan.runs.publish import locate_splits
from ssgan.runs.start_from import publish_start
from ssgan.storage import lease
from ssgan.storage.lease import Guard
from ssgan.storage.store import open_store
from ssgan.storage.write_once import open_once
from ssgan.training.context import FolderStore, ProgressEvent, Role, Run, final_key
from ssgan.training.roles import roles
from ssgan.wording import counted

OnProgress = Callable[[Role, ProgressEvent], None]

FORMAT = 1


def train(config: Config, splits: Path, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Train what is not finished yet, fetch the results into ``out`` and write its manifest.

    A run is named after code, parameters and data: what is finished in storage is only fetched, what was interrupted resumes.
    It is trained on the cluster of ``cluster.address`` if there is one.

    Returns:
        The manifest (see ``_manifest``).
    """
    run = requested_run(config, splits, out)
    store = open_store(config.storage.url)
    if config.cluster.address and unfinished(run, store):
        from ssgan.runs import submit

        submit.submit_and_wait(run, splits)
        _require_finished(run, store)
    else:
        train_here(run, store, on_progress)
    return collect(run, store, out)


def requested_run(config: Config, splits: Path, out: Path) -> Run:
    """The run that these parameters ask for; the model that it starts from is in storage then. ``out``: the last training."""
    files = locate_splits(config, splits)
    return run_of(config, files, start=publish_start(config, out, open_once(config.storage.url)))


def train_here(run: Run, store: FolderStore, on_progress: OnProgress) -> None:
    """Train the roles that are not finished, by ``train.backend``, as the only process that writes this run.

    Raises HeldError where another one does, TrainingError if they are not finished then.
    """
    if unfinished(run, store):
        with lease.held(run.config.storage.url, run.id) as guard, recorded(run) as on_record:
            if todo := unfinished(run, store):  # whoever held it before may have finished it
                _backend(run.config)(run, todo, on_progress, on_record, guard)
    _require_finished(run, store)


def unfinished(run: Run, store: FolderStore) -> list[Role]:
    """Roles whose results are not in storage."""
    return [role for role in roles(run.config) if final_key(run.id, role) not in store.keys(f"{run.id}/{role}")]


def _require_finished(run: Run, store: FolderStore) -> None:
    for role in unfinished(run, store):
        raise TrainingError(
            f"the training ended without an error, but {final_key(run.id, role)} is not complete in {run.config.storage.url}; "
            "nothing is trusted before it is: see that only one process writes there, and train again"
        )


def _backend(config: Config) -> Callable[[Run, Sequence[Role], OnProgress, OnRecord | None, Guard | None], None]:
    # Imported here: the inline backend must not import Ray.
    if config.train.backend == "inline":
        from ssgan.runs import inline

        return inline.train_roles
    from ssgan.runs import on_ray

    return on_ray.train_roles


def collect(run: Run, store: FolderStore, out: Path) -> dict[str, Any]:
    """Fetch the finished roles, check them against what was asked for, and put them in place as a whole.

    Returns the manifest. Raises TrainingError where a result shows that less work was done, or with other labels.
    """
    with atomic.replaced_folder(out) as folder:
        for role in roles(run.config):
            store.get(final_key(run.id, role), folder / role)
        summaries = {role: json.loads((folder / role / "summary.json").read_text()) for role in roles(run.config)}
        _check(run, summaries)
        manifest = _manifest(run, summaries, folder)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return manifest


def describe(manifest: dict[str, Any]) -> str:
    """One line for people."""
    seconds = ", ".join(f"{LABELS[role]} {value:.0f} s" for role, value in manifest["seconds"].items())
    how = "fitted at once" if "main" in manifest["fitted"] else counted(manifest["steps"], "step")
    return f"trained {manifest['run_id']}: {how} ({seconds})"


def _check(run: Run, summaries: dict[Role, dict[str, Any]]) -> None:
    """A clean exit proves nothing: the results themselves must show that all of the work was done, with these labels."""
    expected = {
        "steps": [run.config.train.steps],
        "world_size": run.config.train.worker_range,
        "num_labeled": [run.files.num_rows("labeled")],
    }
    for role, summary in summaries.items():
        for key, allowed in expected.items():
            if summary[key] not in allowed:
                raise TrainingError(
                    f"the result of {role} has {key} {summary[key]}, but {' or '.join(map(str, allowed))} was asked for; "
                    "remove this run from storage and train again"
                )


def _manifest(run: Run, summaries: dict[Role, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What a finished training consists of: every file with its hash, and everything that determined it."""
    main = summaries["main"]
    return {
        "format": FORMAT,
        "run_id": run.id,
        "code_version": run.identity["code"],
        "data_version": run.identity["data"],
        "start": run.identity.get("start"),
        "config": run.config.model_dump(),
        "params": run.identity["params"],
        "steps": main["steps"],
        "world_size": main["world_size"],
        "device": main["device"],
        "threads": main["threads"],
        "precision": main["precision"],
        "streaming": main["streaming"],
        "num_unlabeled": main["num_unlabeled"],
        "label_budget": main["num_labeled"],
        "labeled_ids_sha256": labeled_ids_sha256(run.files),
        "distinct_labeled_ids_seen": {role: s["distinct_labeled_ids_seen"] for role, s in summaries.items()},
        "best_step": {role: s["best_step"] for role, s in summaries.items()},
        "twin": "twin" in summaries,
        "backbone": features.backbone.describe() if (features := run.files.features) else None,
        "fitted": {role: s["fitted"] for role, s in summaries.items() if "fitted" in s},
        "seconds": {role: s["seconds"] for role, s in summaries.items()},
        "versions": {**main["versions"], "ray": version("ray"), "ssgan": version("ssgan")},
        "files": {str(f.relative_to(folder)): _entry(f) for f in sorted(folder.rglob("*")) if f.is_file()},
    }


def _entry(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": file_sha256(path)}
