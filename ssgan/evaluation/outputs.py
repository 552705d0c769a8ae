"""Files that ``evaluate`` leaves: CSV for ``dvc plots``, Parquet and npy for the report.

The report never opens the test set: the pixels that it shows are copied into ``mistakes.parquet`` here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.errors import DataError
from ssgan.evaluation import history
from ssgan.evaluation.calibration import Reliability
from ssgan.evaluation.judge import ModelEvaluation
from ssgan.wording import counted

KEPT_IMAGES = 256  # mistakes and generated images kept for the report: what fits on a page that opens at once


ShowOriginals = Callable[[Sequence[str], Sequence[str]], list[bytes | None]]  # ids, paths -> JPEG, where there is more to see


def write_all(
    test: pa.Table,
    main: ModelEvaluation,
    twin: ModelEvaluation | None,
    results: dict[str, Any],
    generated: npt.NDArray[np.uint8] | None,
    train: Path,
    show: ShowOriginals,
    *,
    out: Path = Path("runs/evaluate"),
    plots: Path = Path("plots"),
    metrics: Path = Path("metrics/evaluate.json"),
) -> None:
    """Write everything. ``test`` has columns id, path, label, pixels, in the order of the evaluations.

    ``show`` is asked for small pictures of the originals of the mistakes that are kept.

    Raises:
        DataError: the numbers of images and of predictions differ.
    """
    if len(test) != len(main.prediction) or (twin and len(test) != len(twin.prediction)):
        raise DataError(f"{counted(len(test), 'test image')} but {len(main.prediction)} predictions; evaluate every image once")
    for folder in (out, plots, metrics.parent):
        folder.mkdir(parents=True, exist_ok=True)
    predicted = predictions(test, main, twin)
    pq.write_table(predicted, out / "predictions.parquet")
    pq.write_table(mistakes(test, main, show), out / "mistakes.parquet")
    (out / "generated.npy").unlink(missing_ok=True)  # of an earlier run outside DVC
    if generated is not None:
        np.save(out / "generated.npy", generated[:KEPT_IMAGES], allow_pickle=False)
    classes: list[str] = results["classes"]
    actual = (classes[i] for i in test["label"].to_pylist())
    _csv(plots / "confusion.csv", ("actual", "predicted"), zip(actual, (classes[i] for i in main.prediction), strict=True))
    _csv(plots / "calibration.csv", CALIBRATION, [*_bins("before", main.before), *_bins("after", main.after)])
    _csv(plots / "risk_coverage.csv", RISK_COVERAGE, _risks(main))
    _csv(plots / "history.csv", ("step", "series", "val_error_rate"), _history(train))
    metrics.write_text(json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def predictions(test: pa.Table, main: ModelEvaluation, twin: ModelEvaluation | None) -> pa.Table:
    """One row per test image; the twin's columns are null where there is no twin."""
    n = len(test)
    columns = {
        "id": test["id"],
        "path": test["path"],
        "label": test["label"],
        "main_pred": pa.array(main.prediction, pa.int32()),
        "main_prob": pa.array(main.probability, pa.float64()),
        "main_nll": pa.array(main.nll, pa.float64()),
        "twin_pred": pa.array(twin.prediction, pa.int32()) if twin else pa.nulls(n, pa.int32()),
        "twin_prob": pa.array(twin.probability, pa.float64()) if twin else pa.nulls(n, pa.float64()),
    }
    return pa.table(columns)


def mistakes(test: pa.Table, main: ModelEvaluation, show: ShowOriginals) -> pa.Table:
    """The KEPT_IMAGES most confident mistakes with their pixels, in that order (ties by id); schema metadata of ``test``.

    Column ``original``: JPEG of the original where it shows more than the stored pixels and could be had, else null.
    """
    wrong = np.flatnonzero(~main.right)
    ids = np.array(test["id"].to_pylist(), dtype=object)[wrong]
    order = np.lexsort((ids, -main.probability[wrong]))
    rows = wrong[order][:KEPT_IMAGES]
    table = test.select(["id", "path", "label", "pixels"]).take(pa.array(rows, pa.int64()))
    table = table.append_column("main_pred", pa.array(main.prediction[rows], pa.int32()))
    table = table.append_column("main_prob", pa.array(main.probability[rows], pa.float64()))
    shown = show(table["id"].to_pylist(), table["path"].to_pylist())
    return table.append_column("original", pa.array(shown, pa.binary()))


CALIBRATION = ("series", "bin_low", "bin_high", "images", "confidence", "accuracy")


def _bins(series: str, bins: Reliability) -> list[tuple[Any, ...]]:
    """Bins that hold images, as rows of ``calibration.csv``."""
    rows: list[tuple[Any, ...]] = []
    for m in np.flatnonzero(bins.count):
        n = int(bins.count[m])
        low, high = (round(float(e), 6) for e in bins.edges[m : m + 2])
        rows.append((series, low, high, n, round(float(bins.confidence[m]) / n, 6), round(int(bins.correct[m]) / n, 6)))
    return rows


RISK_COVERAGE = ("series", "coverage", "error_rate", "least_probability")


def _risks(main: ModelEvaluation) -> list[tuple[Any, ...]]:
    return [(series, *(round(value, 6) for value in row)) for series, rows in main.curves.items() for row in rows]


def _history(train: Path) -> list[tuple[Any, ...]]:
    roles = ("main", "twin")
    return [(step, role, round(e, 6)) for role in roles for step, e in history.val_errors(history.read(train, role))]


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
