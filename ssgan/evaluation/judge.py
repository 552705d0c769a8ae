"""From logits to the published metrics. Letters: N test images, K classes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.config import EvaluateConfig
from ssgan.evaluation import abstention
from ssgan.evaluation.calibration import Reliability, Temperature, fit_temperature, reliability
from ssgan.evaluation.comparison import compare, p_text, too_few, wilson
from ssgan.evaluation.proofs import BudgetProof
from ssgan.evaluation.scores import Floats, Ints, balanced_accuracy, checked, confusion, error_rate, log_softmax, nll, recall
from ssgan.evaluation.serving import role_of, sentence
from ssgan.wording import counted

DIGITS = 6  # decimals of a published metric: finer than one image in 100,000, coarse enough for a readable diff
EXACT = ("temperature", "threshold")  # what others compute and compare with: all digits count
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)  # shares of images that are answered in the abstention table
FORMAT = 1
Confidences = tuple[Floats, npt.NDArray[np.bool_]]  # probability (N,) of the predicted class, and whether it is right


@dataclass(frozen=True)
class ModelEvaluation:
    """One model on the test set. ``prediction`` (N,); ``probability`` (N,) of the predicted class and ``nll`` (N,) of the
    label in nats, calibrated; ``right`` (N,), and ``val_right`` on val; ``before`` and ``after`` are the reliability with T = 1
    and with the fitted temperature; ``curves`` are risk against coverage on val and test."""

    prediction: Ints
    probability: Floats
    nll: Floats
    right: npt.NDArray[np.bool_]
    val_right: npt.NDArray[np.bool_]
    counts: Ints
    temperature: Temperature
    before: Reliability
    after: Reliability
    curves: dict[str, list[tuple[float, float, float]]]
    metrics: dict[str, Any]


def judge(
    logits: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    val_logits: npt.NDArray[Any],
    val_labels: npt.NDArray[Any],
    classes: list[str],
    config: EvaluateConfig,
) -> ModelEvaluation:
    """Evaluate test logits (N, K) against labels (N,); the temperature and the threshold come from val only.

    Raises:
        DataError: shapes or labels that do not belong together, an empty test set. CheckpointError: non-finite logits.
    """
    logits, labels = checked(logits, labels)
    temperature = fit_temperature(val_logits, val_labels)
    prediction = logits.argmax(axis=1).astype(np.int64)
    right = prediction == labels
    plain = _top(logits, prediction, 1.0)
    calibrated = _top(logits, prediction, temperature.value)
    counts = confusion(prediction, labels, logits.shape[1])
    val = _confidences(val_logits, val_labels, temperature.value)
    before, after = (reliability(p, right, config.ece_bins) for p in (plain, calibrated))
    wrong = int((~right).sum())
    error = error_rate(prediction, labels)
    low, high = wilson(wrong, len(labels), config.confidence)
    results = {
        "error_rate": error,
        "error_rate_low": low,
        "error_rate_high": high,
        "errors": wrong,
        "balanced_accuracy": balanced_accuracy(counts),
        "nll": nll(logits, labels),
        "nll_calibrated": nll(logits, labels, temperature.value),
        "ece": before.ece,
        "ece_calibrated": after.ece,
        "temperature": temperature.value,
        "temperature_note": temperature.note,
        "per_class": _per_class(counts, classes, config.confidence),
        "answering_only_the_surest": _abstention(calibrated, right),
        "abstention": _promise(val, (calibrated, right), config),
    }
    per_image: Floats = -log_softmax(logits, temperature.value)[np.arange(len(labels)), labels]
    curves = {"val": abstention.curve(*val), "test": abstention.curve(calibrated, right)}
    return ModelEvaluation(
        prediction, calibrated, per_image, right, val[1], counts, temperature, before, after, curves, results
    )


def metrics(
    main: ModelEvaluation,
    twin: ModelEvaluation | None,
    proof: BudgetProof,
    config: EvaluateConfig,
    counts: dict[str, int],
    about: dict[str, Any],
) -> dict[str, Any]:
    """The content of ``metrics/evaluate.json``: fractions, rounded, lists where ``dvc metrics`` should stay narrow.

    ``counts`` are images per set; ``about`` is copied in (run id, class names, shape of the images).
    """
    gain = None
    if twin is not None:
        g = compare(main.right, twin.right, config.confidence)
        removed = g.value / twin.metrics["error_rate"] if twin.metrics["errors"] else 0.0
        gain = {**asdict(g), "share_of_errors_removed": removed}
        gain["error_rate"] = gain.pop("value")
    value = {
        "format": FORMAT,
        **about,
        "checkpoint": config.checkpoint,
        "confidence": config.confidence,
        "images": counts,
        "main": main.metrics,
        "twin": twin.metrics if twin else None,
        "gain": gain,
        "budget": {**asdict(proof), "test_opened_by": "evaluate", "test_images_opened": len(main.prediction)},
        "test_opened_by": "evaluate",
    }
    rounded: dict[str, Any] = round_floats(value)
    return rounded


NAMES = {"main": "semi-supervised model", "twin": "supervised baseline"}


def describe(results: dict[str, Any]) -> str:
    """Two or three lines for people, from ``metrics``."""

    def line(role: str) -> str:
        error, low, high = (100 * results[role][key] for key in ("error_rate", "error_rate_low", "error_rate_high"))
        return f"  {names[role]}: test error {error:.1f}% ({low:.1f} to {high:.1f})"

    names = {**NAMES, "main": NAMES[role_of(results)], "left_out": "not handed out"}

    interval = f"{100 * results['confidence']:.0f}% intervals"
    lines = [
        f"evaluate: {counted(results['images']['test'], 'test image')} opened, by this stage only; {interval}",
        line("main"),
    ]
    gain, promise = results["gain"], results["main"].get("abstention")
    if promise:
        lines.append(f"  abstention: {_answering(promise)}")
    if why := sentence(results):
        return "\n".join([*lines, line("left_out"), f"  {why}"])
    if gain is None:
        return "\n".join([*lines, "  no supervised baseline, so no gain is reported"])
    value, low, high = (100 * gain[key] for key in ("error_rate", "low", "high"))
    texts = {"gain": "a measured gain", "none": "no measurable gain", "harm": "harm", "too_few": "too few test images to tell"}
    text = texts[gain["verdict"]]
    if gain["verdict"] == "too_few":
        text += f": {too_few(gain, results['images']['test'])}"
    points = f"  difference: {value:.1f} points ({low:.1f} to {high:.1f}), {p_text(gain['mcnemar_p'])}: {text}"
    return "\n".join([*lines, line("twin"), points])


def _answering(promise: dict[str, Any]) -> str:
    if promise["threshold"] is None:
        return str(promise["note"])
    risk = f", {100 * promise['error_rate']:.1f}% of them wrong" if promise["answered"] else ""
    return f"{100 * promise['coverage']:.1f}% of test answered{risk} (accepted: {100 * promise['max_risk']:g}%)"


def round_floats(value: Any) -> Any:
    """Floats rounded to DIGITS decimals, NaN as null (JSON knows no NaN), containers rebuilt."""
    if isinstance(value, float):
        # A p-value of 3e-9 must not become 0: keep four significant digits of small numbers.
        return None if math.isnan(value) else float(f"{value:.4g}") if 0 < abs(value) < 1e-3 else round(value, DIGITS)
    if isinstance(value, dict):
        return {k: v if k in EXACT else round_floats(v) for k, v in value.items()}
    return [round_floats(v) for v in value] if isinstance(value, list | tuple) else value


def _top(logits: Floats, prediction: Ints, temperature: float) -> Floats:
    """(N,) probability of the predicted class."""
    out: Floats = np.exp(log_softmax(logits, temperature)[np.arange(len(logits)), prediction])
    return out


def _confidences(logits: npt.NDArray[Any], labels: npt.NDArray[Any], temperature: float) -> Confidences:
    """(N,) probability of the predicted class, and (N,) whether it is right."""
    logits, labels = checked(logits, labels)
    prediction = logits.argmax(axis=1).astype(np.int64)
    return _top(logits, prediction, temperature), prediction == labels


def _promise(val: Confidences, test: Confidences, config: EvaluateConfig) -> dict[str, Any] | None:
    """The threshold that val gives, and how it holds on test. None where ``evaluate.max_risk`` is null."""
    if config.max_risk is None:
        return None
    chosen = abstention.choose(*val, config.max_risk, config.confidence)
    facts = {"max_risk": config.max_risk, "threshold": chosen.value, "note": chosen.note}
    if chosen.value is None:
        return facts
    found = {"val_answered": chosen.answered, "val_wrong": chosen.wrong, "val_risk_bound": chosen.bound}
    return {**facts, **found, **abstention.measure(chosen.value, *test, config.confidence)}


def _per_class(counts: Ints, classes: list[str], confidence: float) -> list[dict[str, Any]]:
    rows = []
    for name, share, row, found in zip(classes, recall(counts), counts, np.diag(counts), strict=True):
        images = int(row.sum())
        low, high = wilson(int(found), images, confidence) if images else (math.nan, math.nan)
        rows.append({"class": name, "images": images, "recall": float(share), "low": low, "high": high})
    return rows


def _abstention(probability: Floats, right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """Error among the most confident predictions if a person takes the rest (risk against coverage; El-Yaniv & Wiener 2010)."""
    order = np.argsort(-probability, kind="stable")
    rows = []
    for coverage in COVERAGES:
        kept = order[: max(1, math.ceil(coverage * len(order)))]
        risk = int((~right[kept]).sum()) / len(kept)
        rows.append({"coverage": coverage, "error_rate": risk, "least_probability": float(probability[kept[-1]])})
    return rows
