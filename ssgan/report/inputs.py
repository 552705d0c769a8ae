"""Everything the page shows, read from disk. Letters: N images, K classes, C S as in ssgan.data.schema."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data import schema
from ssgan.errors import DataError
from ssgan.evaluation import history
from ssgan.evaluation.scores import Ints, confusion

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ReportInputs:
    """Where things lie; the defaults are the paths in ``dvc.yaml``."""

    train: Path = Path("runs/train")
    evaluate: Path = Path("runs/evaluate")
    metrics: Path = Path("metrics")
    plots: Path = Path("plots")
    split: Path = Path("data/splits/split.json")  # counts and hashes, no image


@dataclass(frozen=True)
class Mistakes:
    """The most confident mistakes, in that order; all lists have one entry per image (N, C, S, S) uint8.

    originals: JPEG of the original file, None where the stored pixels are all that there is to see.
    """

    images: U8
    paths: list[str]
    actual: list[str]
    predicted: list[str]
    probability: list[float]
    originals: list[bytes | None]

    def first(self, count: int) -> Mistakes:
        """The ``count`` most confident ones."""
        return Mistakes(*(getattr(self, field.name)[:count] for field in fields(self)))


@dataclass(frozen=True)
class Facts:
    """What is known about one run. ``generated`` is None where the method has no generator."""

    metrics: dict[str, Any]
    manifest: dict[str, Any]
    history: dict[str, list[dict[str, Any]]]
    confusion: Ints
    calibration: dict[str, list[dict[str, float]]]
    risk_coverage: dict[str, list[dict[str, float]]]  # of val and test
    mistakes: Mistakes
    generated: U8 | None
    ingest: dict[str, Any] | None
    split: dict[str, Any] | None

    @property
    def classes(self) -> list[str]:
        """Names of the K classes."""
        names: list[str] = self.metrics["classes"]
        return names


def read(inputs: ReportInputs) -> Facts:
    """Raises DataError where a file that ``evaluate`` or ``train`` writes is missing or damaged."""
    metrics = _json(inputs.metrics / "evaluate.json", "evaluate")
    classes = metrics["classes"]
    predicted = pq.read_table(_needed(inputs.evaluate / "predictions.parquet", "evaluate"), columns=["label", "main_pred"])
    generated = inputs.evaluate / "generated.npy"
    return Facts(
        metrics=metrics,
        manifest=_json(inputs.train / "manifest.json", "train"),
        history={role: history.read(inputs.train, role) for role in ("main", "twin")},
        confusion=confusion(predicted["main_pred"].to_numpy(), predicted["label"].to_numpy(), len(classes)),
        calibration=_series(inputs.plots / "calibration.csv", ("before", "after")),
        risk_coverage=_series(inputs.plots / "risk_coverage.csv", ("val", "test")),
        mistakes=_mistakes(_needed(inputs.evaluate / "mistakes.parquet", "evaluate"), classes),
        generated=np.load(generated, allow_pickle=False) if generated.is_file() else None,
        ingest=_optional(inputs.metrics / "ingest.json"),
        split=_optional(inputs.metrics / "split.json") or _optional(inputs.split),
    )


def _needed(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise DataError(f"{path} does not exist, so there is nothing to report; run `dvc repro {stage}`")
    return path


def _json(path: Path, stage: str) -> dict[str, Any]:
    text = _needed(path, stage).read_text(encoding="utf-8")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); run `dvc repro --force {stage}`") from None
    if not isinstance(value, dict) or value.get("format") != 1:
        raise DataError(f"{path} was not written by this version of ssgan (`format` is not 1); run `dvc repro {stage}`")
    return value


def _optional(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); run the stage that writes it again") from None
    return value if isinstance(value, dict) else None


def _series(path: Path, names: tuple[str, ...]) -> dict[str, list[dict[str, float]]]:
    """The rows of a table that ``evaluate`` wrote, by its column ``series``."""
    series: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with _needed(path, "evaluate").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            series[row.pop("series")].append({key: float(value) for key, value in row.items()})
    return series


def originals_of(mistakes: pa.Table) -> list[bytes | None]:
    """Pictures of the originals; models that were registered before there were any have none."""
    has_some = "original" in mistakes.column_names
    return mistakes["original"].to_pylist() if has_some else [None] * len(mistakes)


def _mistakes(path: Path, classes: list[str]) -> Mistakes:
    table = pq.read_table(path)
    spec = schema.spec_of(schema.read_metadata(table.schema.metadata, str(path)))
    return Mistakes(
        images=schema.pixels_to_numpy(table["pixels"], spec),
        paths=table["path"].to_pylist(),
        actual=[classes[i] for i in table["label"].to_pylist()],
        predicted=[classes[i] for i in table["main_pred"].to_pylist()],
        probability=table["main_prob"].to_pylist(),
        originals=originals_of(table),
    )
