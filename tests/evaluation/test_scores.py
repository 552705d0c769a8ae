"""Every score against an independent formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn import metrics as sk

from ssgan.errors import CheckpointError, DataError
from ssgan.evaluation import calibration, scores
from ssgan.wording import counted


def problem(n: int, k: int, seed: int, scale: float = 2.0) -> tuple[scores.Floats, scores.Ints]:
    """Logits (n, k) and labels drawn from softmax(logits): perfectly calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * scale
    labels = (logits + rng.gumbel(size=(n, k))).argmax(axis=1)
    return logits, labels


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 80), k=st.integers(2, 40), seed=st.integers(0, 10_000))
def test_scores_agree_with_scikit_learn(n: int, k: int, seed: int) -> None:
    logits, labels = problem(n, k, seed)
    predictions = logits.argmax(axis=1)
    counts = scores.confusion(predictions, labels, k)
    assert (counts == sk.confusion_matrix(labels, predictions, labels=range(k))).all()
    assert scores.error_rate(predictions, labels) == pytest.approx(1 - sk.accuracy_score(labels, predictions))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores.nll(logits, labels) == pytest.approx(sk.log_loss(labels, probabilities, labels=range(k)), rel=1e-9)
    present = np.unique(labels)
    per_class = sk.recall_score(labels, predictions, labels=present, average=None, zero_division=0)
    assert scores.recall(counts)[present] == pytest.approx(per_class)
    assert np.isnan(np.delete(scores.recall(counts), present)).all()
    assert scores.balanced_accuracy(counts) == pytest.approx(per_class.mean())


def loop_ece(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """Guo et al. 2017, equation 3, word by word."""
    total = 0.0
    for m in range(bins):
        inside = [i for i, c in enumerate(confidence) if m / bins < c <= (m + 1) / bins]
        if inside:
            accuracy = sum(bool(correct[i]) for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - sum(confidence[i] for i in inside) / len(inside))
    return total


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 200), bins=st.integers(1, 20), seed=st.integers(0, 10_000))
def test_ece_agrees_with_a_loop(n: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(1e-6, 1, n)
    correct = rng.uniform(size=n) < confidence**2
    result = calibration.reliability(confidence, correct, bins)
    assert result.ece == pytest.approx(loop_ece(confidence, correct, bins))
    assert result.count.sum() == n
    assert result.correct.sum() == correct.sum()


def test_the_bins_hold_their_upper_edge() -> None:
    """0.5 belongs to (0, 0.5]; 1.0 to the last bin; 0.0 is not lost."""
    result = calibration.reliability(np.array([0.5, 1.0, 0.0]), np.array([True, True, False]), 2)
    assert result.count.tolist() == [2, 1]


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("k", [2, 10, 40])
def test_the_temperature_recovers_a_known_scale(scale: float, k: int) -> None:
    logits, labels = problem(20_000, k, seed=3)
    fitted = calibration.fit_temperature(logits * scale, labels)
    assert fitted.fitted
    assert fitted.value == pytest.approx(scale, rel=0.05)


def test_the_temperature_is_the_minimum_that_scipy_finds() -> None:
    logits, labels = problem(300, 5, seed=1)
    logits *= 4
    best = optimize.minimize_scalar(lambda t: scores.nll(logits, labels, t), bounds=(0.1, 15), method="bounded")
    assert calibration.fit_temperature(logits, labels).value == pytest.approx(best.x, rel=1e-3)


@pytest.mark.parametrize("n", [0, 1, 19])
def test_a_tiny_val_leaves_the_probabilities_alone(n: int) -> None:
    logits, labels = problem(n, 4, seed=0)
    fitted = calibration.fit_temperature(logits, labels)
    assert fitted.value == 1.0
    assert not fitted.fitted
    assert f"validation holds {counted(n, 'image')}, at least" in fitted.note


def test_val_without_an_error_leaves_the_probabilities_alone() -> None:
    logits, _ = problem(200, 4, seed=0)
    fitted = calibration.fit_temperature(logits * 10, logits.argmax(axis=1))
    assert (fitted.value, fitted.fitted) == (1.0, False)
    assert "no error" in fitted.note


@pytest.mark.parametrize("logits", [np.zeros((100, 3)), -problem(100, 3, 0)[0] * 5])
def test_a_model_that_guesses_leaves_the_probabilities_alone(logits: np.ndarray) -> None:
    labels = problem(100, 3, 0)[1]
    fitted = calibration.fit_temperature(logits, labels)
    assert (fitted.value, fitted.fitted) == (1.0, False)
    assert "guessing" in fitted.note


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[1e4, -1e4], [1e4, -1e4]])
    assert scores.nll(logits, np.array([0, 1])) == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((3, 2)), np.zeros(4, int), "same N"),
        (np.zeros(3), np.zeros(3, int), "same N"),
        (np.zeros((3, 2)), np.zeros((3, 1), int), "same N"),
        (np.zeros((3, 1)), np.zeros(3, int), "fewer than 2 classes"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), "classes 0..1"),
        (np.zeros((3, 2)), np.array([0, 1, -1]), "classes 0..1"),
        (np.zeros((0, 2)), np.zeros(0, int), "0 images"),
    ],
)
def test_mismatches_are_named(logits: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        scores.nll(logits, labels)


def test_a_logit_that_is_not_finite_names_its_image() -> None:
    logits = np.zeros((3, 2))
    logits[1, 0] = np.nan
    with pytest.raises(CheckpointError, match="image 1"):
        scores.nll(logits, np.zeros(3, int))


def test_predictions_of_another_shape_are_refused() -> None:
    """(N, 1) against (N,) would broadcast to (N, N) without a word."""
    with pytest.raises(DataError, match="one of each per image"):
        scores.error_rate(np.zeros((3, 1), int), np.zeros(3, int))
    with pytest.raises(DataError, match=r"outside 0\.\.1"):
        scores.confusion(np.array([2]), np.array([0]), 2)
    with pytest.raises(DataError, match=r"outside 0\.\.1"):
        calibration.reliability(np.array([1.5]), np.array([True]), 5)
