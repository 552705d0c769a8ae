"""One version of a model: a folder of files under a name that is a hash of all of them.

model.safetensors  config.json  classes.json   the model, laid out as on the Hugging Face Hub
README.md            its card
metrics.json         what ``evaluate`` found (metrics/evaluate.json)
predictions.parquet  its predictions on the test images, with which later models are compared
mistakes.parquet     its most confident mistakes with their pixels, for the contact sheets
training.json        the manifest of the training: parameters, seeds, versions, hashes
split.json           counts and hashes of the data sets (data/splits/split.json)
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ssgan.errors import CheckpointError, DataError
from ssgan.evaluation import trained_model, verify_run
from ssgan.evaluation.challenger import Predictions
from ssgan.evaluation.serving import role_of
from ssgan.provenance import file_sha256, ids_sha256

CARD, METRICS, TRAINING, SPLIT = "README.md", "metrics.json", "training.json", "split.json"
PREDICTIONS, MISTAKES = "predictions.parquet", "mistakes.parquet"
AGAIN = "run `dvc repro evaluate`"


@dataclass(frozen=True)
class Version:
    """A verified folder with all the files of a version."""

    id: str
    folder: Path
    metrics: dict[str, Any]
    training: dict[str, Any]
    split: dict[str, Any]

    @property
    def classes(self) -> list[str]:
        """Names by permanent class id."""
        names: list[str] = self.metrics["classes"]
        return names

    def predictions(self) -> Predictions:
        """Its predictions on its test images."""
        return Predictions.of(pq.read_table(self.folder / PREDICTIONS), self.classes, f"{PREDICTIONS} of {self.id}")


def name_of(folder: Path) -> str:
    """The name of the version that these files are: ``m-`` and 64 bits of the hash of names and contents."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "m-" + ids_sha256(f"{file_sha256(path)} {path.relative_to(folder).as_posix()}" for path in files)[:16]


def open_version(folder: Path, expected: str) -> Version:
    """A version that was fetched. Raises CheckpointError unless its files are those that its name was made of."""
    found = name_of(folder)
    if found != expected:
        raise CheckpointError(f"the files of {expected} in storage give the name {found}: they were changed; do not use them")
    return _opened(folder, found)


def assemble(run: Path, into: Path) -> Version:
    """Gather a version from a project (``.``) or its trained run (``runs/train``) in the new folder ``into``.

    Raises:
        CheckpointError: the run is not finished, or its files changed. DataError: ``evaluate`` judged another run.
    """
    from ssgan.report.card import card  # brings matplotlib, which takes seconds; who only reads the log needs none

    train = run if (run / "manifest.json").is_file() else run / "runs/train"
    project = train.parent.parent
    manifest = verify_run(train)
    metrics = _metrics(project / "metrics/evaluate.json", manifest)
    model = trained_model(train, manifest, role_of(metrics), metrics["checkpoint"])
    assert model is not None  # it was evaluated
    evaluated = train.parent / "evaluate"
    split = _read(_present(project / "data/splits/split.json"))
    _require_its_predictions(evaluated / PREDICTIONS, metrics, split)
    sources = {name: model / name for name in ("model.safetensors", "config.json")}
    sources |= {METRICS: project / "metrics/evaluate.json", TRAINING: train / "manifest.json"}
    sources |= {name: evaluated / name for name in (PREDICTIONS, MISTAKES)}
    sources[SPLIT] = project / "data/splits/split.json"
    into.mkdir(parents=True)
    for name, source in sources.items():
        shutil.copyfile(_present(source), into / name)
    classes = {"version": 1, "classes": metrics["classes"]}
    (into / "classes.json").write_text(json.dumps(classes, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (into / CARD).write_text(card(metrics, manifest, split), encoding="utf-8")
    return _opened(into, name_of(into))


def _opened(folder: Path, name: str) -> Version:
    return Version(name, folder, *(_read(folder / part) for part in (METRICS, TRAINING, SPLIT)))


def _metrics(path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    metrics = _read(_present(path))
    if metrics["run_id"] != manifest["run_id"]:
        raise DataError(f"{path} is about {metrics['run_id']}, but {manifest['run_id']} is trained; {AGAIN}")
    return metrics


def _require_its_predictions(path: Path, metrics: dict[str, Any], split: dict[str, Any]) -> None:
    """The table, the numbers and the test set have to be those of one evaluation."""
    table = pq.read_table(_present(path), columns=["id", "label", "main_pred"])
    wrong = int((table["label"].to_numpy() != table["main_pred"].to_numpy()).sum())
    if (len(table), wrong) != (metrics["images"]["test"], metrics["main"]["errors"]):
        raise DataError(f"{path} is not the table behind metrics/evaluate.json; {AGAIN}")
    if ids_sha256(table["id"].to_pylist()) != split["sets"]["test"]["ids_sha256"]:
        raise DataError(f"{path} holds other images than today's test set; {AGAIN}")


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} does not exist, so this run cannot be compared; {AGAIN}")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); {AGAIN}") from None
    return value
