"""Scores of one classifier on one set. Letters: N images, K classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.errors import CheckpointError, DataError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def checked(logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[Floats, Ints]:
    """Logits (N, K) as float64 and labels (N,) as int64, checked.

    Raises:
        DataError: shapes that do not belong together, labels outside 0..K-1.
        CheckpointError: a logit that is not finite.
    """
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels):
        raise DataError(
            f"logits have shape {logits.shape} and labels {labels.shape}; expected (N, K) and (N,) with the same N: "
            "pass one row of logits and one label per image"
        )
    if logits.shape[1] < 2:
        raise DataError(f"logits have shape {logits.shape}: fewer than 2 classes; check `classes.json`")
    if labels.size and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()} but the model knows classes 0..{logits.shape[1] - 1}; "
            "run `dvc repro split train` so that both use the same classes.json"
        )
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise CheckpointError(f"the logits of image {row} are not finite; the model diverged: train again (lower the rate)")
    return logits.astype(np.float64), labels.astype(np.int64)


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """(N, K) logits -> (N, K) log probabilities of ``softmax(logits / T)``, shifted by the maximum so nothing overflows."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    out: Floats = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return out


def nll(logits: npt.NDArray[Any], labels: npt.NDArray[Any], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats: ``-1/N sum_i log p(y_i | x_i)``. Raises DataError where N is 0."""
    logits, labels = checked(logits, labels)
    return _divide(-float(log_softmax(logits, temperature)[np.arange(len(labels)), labels].sum()), len(labels))


def error_rate(predictions: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Share of wrong predictions, a fraction. Raises DataError on different lengths or N = 0."""
    if predictions.shape != labels.shape or labels.ndim != 1:
        raise DataError(f"predictions have shape {predictions.shape} and labels {labels.shape}; pass one of each per image")
    return _divide(int((predictions != labels).sum()), len(labels))


def confusion(predictions: npt.NDArray[Any], labels: npt.NDArray[Any], num_classes: int) -> Ints:
    """(K, K) counts: row = actual class, column = predicted class. Raises DataError on values outside 0..K-1."""
    if predictions.shape != labels.shape or labels.ndim != 1:
        raise DataError(f"predictions have shape {predictions.shape} and labels {labels.shape}; pass one of each per image")
    both = np.concatenate([predictions, labels]) if labels.size else np.zeros(0, np.int64)
    if both.size and not (both.min() >= 0 and both.max() < num_classes):
        raise DataError(f"a class id lies outside 0..{num_classes - 1} ({both.min()}..{both.max()}); check `classes.json`")
    flat = np.bincount(labels.astype(np.int64) * num_classes + predictions.astype(np.int64), minlength=num_classes**2)
    return flat.astype(np.int64).reshape(num_classes, num_classes)


def recall(counts: Ints) -> Floats:
    """(K,) share of each actual class that was found, from a confusion matrix; NaN for a class without images."""
    images = counts.sum(axis=1)
    found = np.diag(counts).astype(np.float64)
    return np.divide(found, images, out=np.full(len(images), np.nan), where=images > 0)


def balanced_accuracy(counts: Ints) -> float:
    """Mean recall over the classes that have images (Brodersen et al. 2010, "The balanced accuracy and its posterior
    distribution"; scikit-learn leaves out absent classes in the same way). Raises DataError where no class has any."""
    values = recall(counts)
    present = ~np.isnan(values)
    return _divide(float(values[present].sum()), int(present.sum()))


def _divide(total: float, count: int) -> float:
    if count == 0:
        raise DataError("the set holds 0 images, so there is nothing to judge; raise `split.test_fraction`")
    return total / count
