"""What must hold before a number is worth reading: untouched files, the same classes, an honest label budget.

Each check either returns facts for the metrics or raises: there is no metric of a run that failed one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssgan.errors import CheckpointError, DataError

AGAIN = "run `dvc repro train` again"


@dataclass(frozen=True)
class BudgetProof:
    """Counts that show which labels were used. ``twin_ids_seen`` is None where no twin was trained."""

    label_budget: int
    labeled_images: int
    main_ids_seen: int
    twin_ids_seen: int | None
    labeled_and_test: int
    labeled_and_val: int
    val_and_test: int


def verify_run(run: Path) -> dict[str, Any]:
    """The manifest of a finished training, after every file in it was found with the right size and sha256.

    Raises:
        CheckpointError: no manifest, a missing or changed file, a path that leaves the run folder, a weight file that the
            manifest does not cover.
    """
    manifest = _read_manifest(run)
    root = run.resolve()
    for name, expected in sorted(manifest["files"].items()):
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise CheckpointError(f"{run}/manifest.json names {name!r}, which lies outside the run; {AGAIN}")
        if not path.is_file():
            raise CheckpointError(f"{run}/{name} is in the manifest but not on disk; {AGAIN} or `dvc checkout`")
        if path.stat().st_size != expected["size"] or _sha256(path) != expected["sha256"]:
            raise CheckpointError(f"{run}/{name} is not the file that training wrote (size or sha256 differs); {AGAIN}")
    for path in sorted(run.rglob("*.safetensors")):  # weights that somebody dropped in beside the verified ones
        if path.relative_to(run).as_posix() not in manifest["files"]:
            raise CheckpointError(f"{path} is not in {run}/manifest.json, so nobody vouches for it; remove it or {AGAIN}")
    return manifest


def _read_manifest(run: Path) -> dict[str, Any]:
    path = run / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist, so the training did not finish; {AGAIN}") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); {AGAIN}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != 1 or not isinstance(manifest.get("files"), dict):
        raise CheckpointError(f"{path} is not a manifest of format 1; {AGAIN} with this version of ssgan")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trained_model(run: Path, manifest: dict[str, Any], role: str, checkpoint: str) -> Path | None:
    """The model folder of ``role`` ("main" or "twin"), or None where no twin was trained.

    Raises:
        CheckpointError: the folder is missing though the manifest speaks of it, or was never written.
    """
    covered = {name for name in manifest["files"] if name.startswith(f"{role}/")}
    if role == "twin" and (not manifest.get("twin", True) or not covered):
        return None
    folder = run / role / checkpoint
    if f"{role}/{checkpoint}/model.safetensors" not in covered:
        hint = "set `evaluate.checkpoint: last` (best needs a val set)" if checkpoint == "best" else AGAIN
        raise CheckpointError(f"`evaluate.checkpoint` is {checkpoint!r}, but {folder} holds no verified model; {hint}")
    return folder


def require_same_classes(model: list[str], data: list[str], where: str) -> None:
    """Positions are class ids, so both lists must be equal. Raises CheckpointError naming the first difference."""
    if model == data:
        return
    for i, (a, b) in enumerate(zip(model, data, strict=False)):
        if a != b:
            raise CheckpointError(f"{where}: class {i} is {a!r} in the model and {b!r} in the data; {AGAIN}")
    raise CheckpointError(f"{where}: the model knows {len(model)} classes, the data has {len(data)}; {AGAIN}")


def prove_budget(
    manifest: dict[str, Any], labeled: Iterable[str], val: Iterable[str], test: Iterable[str], twin: bool
) -> BudgetProof:
    """Compare what training says it saw with the sets on disk (ids of images).

    Raises:
        DataError: one image in two of the sets, a labeled set of another size than the budget.
        CheckpointError: training saw more or fewer distinct labeled images than the budget.
    """
    sets = {"labeled": set(labeled), "val": set(val), "test": set(test)}
    shared = {(a, b): len(_shared(sets, a, b)) for a, b in (("labeled", "test"), ("labeled", "val"), ("val", "test"))}
    budget = int(manifest["label_budget"])
    if len(sets["labeled"]) != budget:
        raise CheckpointError(
            f"training had a budget of {budget} labels but data/splits/labeled holds {len(sets['labeled'])}; "
            "the split changed after training: run `dvc repro train`"
        )
    seen = manifest["distinct_labeled_ids_seen"]
    for role in ("main", "twin") if twin else ("main",):
        _require_seen(role, int(seen[role]), budget)
    return BudgetProof(
        label_budget=budget,
        labeled_images=len(sets["labeled"]),
        main_ids_seen=int(seen["main"]),
        twin_ids_seen=int(seen["twin"]) if twin else None,
        labeled_and_test=shared["labeled", "test"],
        labeled_and_val=shared["labeled", "val"],
        val_and_test=shared["val", "test"],
    )


def _shared(sets: dict[str, set[str]], a: str, b: str) -> set[str]:
    both = sets[a] & sets[b]
    if both:
        raise DataError(
            f"{len(both)} images are in both {a} and {b} (first: {min(both)}); no number would mean anything: "
            "run `dvc repro split train`"
        )
    return both


def _require_seen(role: str, seen: int, budget: int) -> None:
    if seen > budget:
        raise CheckpointError(f"{role} saw {seen} distinct labeled images but the budget is {budget}: labels leaked; {AGAIN}")
    if seen < budget:
        raise CheckpointError(
            f"{role} saw only {seen} of the {budget} labeled images, so the result is not one of {budget} labels; "
            "raise `train.steps` or `labeled_batch_size`"
        )
