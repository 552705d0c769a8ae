"""What evaluation has published of one model: the temperature and threshold that its probabilities need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssgan.errors import CheckpointError
from ssgan.evaluation.proofs import verify_run
from ssgan.evaluation.serving import role_of
from ssgan.provenance import file_sha256

REGISTERED = ("training.json", "metrics.json")  # lie beside the weights in a version of the registry


@dataclass(frozen=True)
class Published:
    """Of the model in one folder.

    Attributes:
        model_id: run, role, checkpoint and the beginning of the sha256 of the weights.
        temperature: what logits are divided by.
        threshold: answer where the calibrated probability is above it; None: nothing is left to a person.
        evaluated: whether evaluation judged this very model; it may have had too few validation images for a temperature.
        note: where the temperature comes from, or why there is none.
        abstention: the same for the threshold.
    """

    model_id: str
    temperature: float
    threshold: float | None
    evaluated: bool
    note: str
    abstention: str


def published(model: Path, metrics: Path) -> Published:
    """What ``metrics`` (metrics/evaluate.json) says of the model at RUN/ROLE/CHECKPOINT.

    A version that was fetched from the registry brings its own metrics along; ``metrics`` is not read then.

    Raises:
        CheckpointError: no model there, files that differ from the manifest of the run, damaged metrics.
    """
    model = model.absolute()
    run, role, checkpoint = model.parent.parent, model.parent.name, model.name
    if not (model / "model.safetensors").is_file():
        raise CheckpointError(
            f"{model} is not a model folder (model.safetensors is missing); run `dvc repro train`, or change to the "
            "project's folder"
        )
    whole = file_sha256(model / "model.safetensors")
    if all((model / name).is_file() for name in REGISTERED):
        return _registered(model, whole)
    digest = whole[:12]
    if not (run / "manifest.json").is_file():
        return _uncalibrated(digest, f"{run} has no manifest.json, so nothing ties the model to an evaluation")
    manifest = verify_run(run)
    model_id = f"{manifest['run_id']}/{role}/{checkpoint}@{digest}"
    try:
        results = json.loads(metrics.read_text(encoding="utf-8"))
        judged = (results["run_id"], results["checkpoint"]) == (manifest["run_id"], checkpoint)
        served = role_of(results)
        if judged and role == "main" != served:
            why = f"{served}/{checkpoint} is handed out in its place, see {metrics}"
            return _uncalibrated(model_id, f"{why}; leave --model out")
        found = results.get("main" if role == served else role)
        if not judged or not found:
            return _uncalibrated(model_id, f"{metrics} is about another model; run `dvc repro evaluate`")
        return _judged(model_id, found, metrics)
    except FileNotFoundError:
        return _uncalibrated(model_id, f"{metrics} does not exist; run `dvc repro evaluate`")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{metrics} is damaged ({error!r}); run `dvc repro --force evaluate`") from None


def handed_out(run: Path, metrics: Path) -> Path:
    """The folder of the model that a run hands out: the one that ``metrics`` is about; not evaluated: the method's last one.

    Raises:
        CheckpointError: damaged metrics.
    """
    try:
        results = json.loads(metrics.read_text(encoding="utf-8"))
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        if results["run_id"] != manifest["run_id"]:
            return run / "main" / "last"
        return run / role_of(results) / str(results["checkpoint"])
    except FileNotFoundError:
        return run / "main" / "last"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{metrics} is damaged ({error!r}); run `dvc repro --force evaluate`") from None


def _registered(model: Path, digest: str) -> Published:
    """The manifest of the training and the metrics, as they lie beside the weights."""
    training, metrics = (model / name for name in REGISTERED)
    try:
        manifest, results = (json.loads(path.read_text(encoding="utf-8")) for path in (training, metrics))
        run, name = (manifest["run_id"], f"{role_of(results)}/{results['checkpoint']}")
        if results["run_id"] != run or manifest["files"][f"{name}/model.safetensors"]["sha256"] != digest:
            raise CheckpointError(f"{metrics} is about other weights than those in {model}; fetch that version again")
        return _judged(f"{run}/{name}@{digest[:12]}", results["main"], metrics)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{model} is damaged ({error!r}); fetch that version again (`ssgan models fetch`)") from None


def _uncalibrated(model_id: str, why: str) -> Published:
    return Published(model_id, 1.0, None, False, f"not calibrated ({why})", f"never ({why})")


def _judged(model_id: str, results: dict[str, Any], metrics: Path) -> Published:
    temperature, promise = float(results["temperature"]), results.get("abstention")
    text = str(results["temperature_note"])
    unfitted = text.removeprefix("not fitted: ")
    why = f"calibrated, temperature {temperature:.4g} {text}" if unfitted == text else f"not calibrated: {unfitted}"
    note = f"{why} ({metrics})"
    if promise is None:
        return Published(model_id, temperature, None, True, note, "never (evaluate.max_risk is null)")
    if promise["threshold"] is None:
        return Published(model_id, temperature, None, True, note, f"never ({promise['note']})")
    threshold = float(promise["threshold"])
    why = f"up to probability {threshold:.4g}, for a risk of at most {promise['max_risk']:g} ({promise['note']})"
    return Published(model_id, temperature, threshold, True, note, why)
