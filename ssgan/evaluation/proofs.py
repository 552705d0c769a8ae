"""What must hold before a metric is worth reading: untouched files, the same classes, an honest label budget.

Each check either returns facts for the metrics or raises: there is no metric of a run that failed one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssgan.errors import CheckpointError, DataError
from ssgan.provenance import file_sha256, ids_sha256
from ssgan.wording import counted

AGAIN = "run `dvc repro train` again"


@dataclass(frozen=True)
class BudgetProof:
    """Counts that show which labels were used. ``twin_ids_seen`` is None where no twin was trained.

    ``labeled_and_unlabeled`` may be positive (benchmarks show labeled images a second time, without label); the other
    overlaps are 0, or there is no proof.
    """

    label_budget: int
    labeled_images: int
    main_ids_seen: int
    twin_ids_seen: int | None
    labeled_and_test: int
    labeled_and_val: int
    unlabeled_and_test: int
    unlabeled_and_val: int
    val_and_test: int
    labeled_and_unlabeled: int


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
        if path.stat().st_size != expected["size"] or file_sha256(path) != expected["sha256"]:
            raise CheckpointError(f"{run}/{name} is not the file that training wrote (size or sha256 differs); {AGAIN}")
    for path in sorted(run.rglob("*.safetensors")):  # weights that were put beside the verified ones
        if path.relative_to(run).as_posix() not in manifest["files"]:
            raise CheckpointError(f"{path} is not in {run}/manifest.json, so it is not verified; remove it or {AGAIN}")
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


def trained_model(run: Path, manifest: dict[str, Any], role: str, checkpoint: str) -> Path | None:
    """The model folder of ``role`` ("main", "twin" or "auto"), or None where that one was not trained.

    Raises:
        CheckpointError: the folder is missing though the manifest speaks of it, or was never written.
    """
    covered = {name for name in manifest["files"] if name.startswith(f"{role}/")}
    if (role == "twin" and not manifest.get("twin", True)) or (role != "main" and not covered):
        return None
    folder = run / role / checkpoint
    if f"{role}/{checkpoint}/model.safetensors" not in covered:
        hint = "set `evaluate.checkpoint: last` (best needs a val set)" if checkpoint == "best" else AGAIN
        raise CheckpointError(f"`evaluate.checkpoint` is {checkpoint!r}, but {folder} holds no verified model; {hint}")
    return folder


def require_same_classes(model: list[str], data: list[str], where: str, former: Mapping[str, Sequence[str]]) -> None:
    """Positions are class ids, so both lists must be equal, but for classes that were renamed since.

    Args:
        former: earlier names of the classes of the data.

    Raises:
        CheckpointError: naming the first difference.
    """
    for i, (a, b) in enumerate(zip(model, data, strict=False)):
        if a != b and a not in former.get(b, ()):
            raise CheckpointError(f"{where}: class {i} is {a!r} in the model and {b!r} in the data; {AGAIN}")
    if len(model) != len(data):
        raise CheckpointError(f"{where}: the model knows {counted(len(model), 'class')}, the data has {len(data)}; {AGAIN}")


def prove_budget(manifest: dict[str, Any], ids: dict[str, list[str]], twin: bool) -> BudgetProof:
    """Compare what training says it saw with the sets on disk.

    ``ids`` are the image ids of labeled, unlabeled, val and test.

    Raises:
        DataError: one image in two sets that must not share any.
        CheckpointError: training used other labels than those on disk, or saw more or fewer of them than the budget.
    """
    sets = {name: set(values) for name, values in ids.items()}
    budget, seen = int(manifest["label_budget"]), manifest["distinct_labeled_ids_seen"]
    if len(sets["labeled"]) != budget or ids_sha256(sets["labeled"]) != manifest["labeled_ids_sha256"]:
        raise CheckpointError(
            f"training had {counted(budget, 'label')}; the {counted(len(sets['labeled']), 'image')} of "
            "data/splits/labeled are not the same: the split changed after training; run `dvc repro train`"
        )
    for role in ("main", "twin") if twin else ("main",):
        _require_seen(role, int(seen[role]), budget)
    return BudgetProof(
        label_budget=budget,
        labeled_images=len(sets["labeled"]),
        main_ids_seen=int(seen["main"]),
        twin_ids_seen=int(seen["twin"]) if twin else None,
        labeled_and_test=_shared(sets, "labeled", "test"),
        labeled_and_val=_shared(sets, "labeled", "val"),
        unlabeled_and_test=_shared(sets, "unlabeled", "test"),
        unlabeled_and_val=_shared(sets, "unlabeled", "val"),
        val_and_test=_shared(sets, "val", "test"),
        labeled_and_unlabeled=len(sets["labeled"] & sets["unlabeled"]),
    )


def _shared(sets: dict[str, set[str]], a: str, b: str) -> int:
    both = sets[a] & sets[b]
    if both:
        raise DataError(
            f"{counted(len(both), 'image is', 'images are')} in both {a} and {b} (first: {min(both)}); no metric would "
            "mean anything: run `dvc repro split train`"
        )
    return 0


def _require_seen(role: str, seen: int, budget: int) -> None:
    if seen > budget:
        raise CheckpointError(
            f"{role} saw {counted(seen, 'distinct labeled image')} but the budget is {budget}: labels leaked; {AGAIN}"
        )
    if seen < budget:
        raise CheckpointError(
            f"{role} saw only {seen} of the {counted(budget, 'labeled image')}, so the result is not one of "
            f"{counted(budget, 'label')}; raise `train.steps` or `labeled_batch_size`"
        )
