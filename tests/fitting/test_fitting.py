"""Classifiers that are fitted at once: what each is good for, on points whose classes are known."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan.fitting import choice
from ssgan.fitting.linear import Floats, Ints, Linear, folds, logistic, probe
from ssgan.fitting.mixture import gaussian_mixture
from ssgan.fitting.self_training import balanced, self_training
from ssgan.fitting.shares import estimated_shares
from ssgan.fitting.spreading import label_spreading

P, CLASSES = 16, 3


def points(counts: tuple[int, ...], seed: int, spread: float = 0.9) -> tuple[Floats, Ints]:
    """Gaussian clusters of length sqrt(P); as many of each class as asked for."""
    centers = np.random.default_rng(5).normal(size=(len(counts), P))
    labels = np.repeat(np.arange(len(counts)), counts)
    x = centers[labels] + spread * np.random.default_rng(seed).normal(size=(len(labels), P))
    return x * P**0.5 / np.linalg.norm(x, axis=1, keepdims=True), labels


def error(model: Linear) -> float:
    x, y = points((200,) * CLASSES, 99)
    return float((model.logits(x).argmax(1) != y).mean())


@pytest.mark.parametrize("method", ["self_training", "label_spreading", "gaussian_mixture"])
def test_unlabeled_points_help_where_clusters_are_classes(method: str) -> None:
    unlabeled, _ = points((150,) * CLASSES, 1)
    gains = []
    for seed in range(5):
        x, y = points((1,) * CLASSES, 10 + seed)
        alone = error(probe(x, y, CLASSES, 0))
        found = {
            "self_training": lambda x=x, y=y: self_training(x, y, unlabeled, np.full(CLASSES, 1 / CLASSES), 0),
            "label_spreading": lambda x=x, y=y: label_spreading(x, y, unlabeled, np.full(CLASSES, 1 / CLASSES), 0),
            "gaussian_mixture": lambda x=x, y=y: gaussian_mixture(x, y, unlabeled, CLASSES, 0),
        }[method]()
        gains.append(alone - error(found))
    assert np.mean(gains) > 0.02


def test_balanced_answers_have_the_shares() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 3)) * 3 + [2.0, 0.0, -1.0]
    shares = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(balanced(logits, shares).mean(0), shares, atol=1e-3)


@pytest.mark.parametrize("counts", [(150, 150, 150), (300, 60, 60), (400, 20, 20), (40, 200, 200)])
def test_shares_of_a_pool_are_found_without_its_labels(counts: tuple[int, ...]) -> None:
    true = np.array(counts) / sum(counts)
    unlabeled, _ = points(counts, 2)
    for seed in range(4):
        x, y = points((8,) * CLASSES, 30 + seed)
        np.testing.assert_allclose(estimated_shares(x, y, unlabeled, CLASSES, 0), true, atol=0.07)


def test_equal_shares_do_harm_on_a_skewed_pool_and_estimated_ones_do_not() -> None:
    unlabeled, _ = points((400, 20, 20), 2, spread=1.3)
    x, y = points((12,) * CLASSES, 30, spread=1.3)
    alone = error(probe(x, y, CLASSES, 0))
    equal = self_training(x, y, unlabeled, np.full(CLASSES, 1 / CLASSES), 0)
    estimated = self_training(x, y, unlabeled, estimated_shares(x, y, unlabeled, CLASSES, 0), 0)
    assert error(equal) > alone + 0.1
    assert error(estimated) < alone + 0.02


def test_a_skewed_pool_does_not_change_the_prior() -> None:
    """Labels are drawn evenly: a classifier that follows the pool would call nearly everything class 0."""
    unlabeled, _ = points((400, 20, 20), 2, spread=1.3)
    x, y = points((12,) * CLASSES, 30, spread=1.3)
    answers = self_training(x, y, unlabeled, np.array([400, 20, 20]) / 440, 0).logits(points((200,) * CLASSES, 98, 1.3)[0])
    assert np.bincount(answers.argmax(1))[0] / 600 < 0.45


def test_the_first_wins_ties() -> None:
    assert list(choice.candidates(np.zeros((1, P)), 0)) == ["self_training", "label_spreading", "linear_probe"]
    y = np.array([0, 0, 1, 1])
    assert choice.best({"self_training": 0.8, "label_spreading": 0.9, "linear_probe": 0.9}, y) == "label_spreading"
    assert choice.best({"self_training": 0.8, "label_spreading": 0.8, "linear_probe": 0.9}, y) == "linear_probe"


def test_without_folds_only_even_labels_are_spread() -> None:
    assert choice.best({}, np.array([0, 1, 2])) == "label_spreading"
    assert choice.best({}, np.array([0, 0, 0, 1])) == "linear_probe"


def test_folds_need_two_labels_of_every_class() -> None:
    assert list(folds(np.array([0, 1, 1]), 0)) == []
    assert len(list(folds(np.array([0, 0, 1, 1, 1]), 0))) == 2


@pytest.mark.parametrize("present", [[0], [0, 2], [0, 1, 2]])
def test_a_class_without_a_label_is_never_the_answer(present: list[int]) -> None:
    x, y = points((5,) * CLASSES, 4)
    some = np.isin(y, present)
    answers = logistic(x[some], y[some], CLASSES, 1.0).logits(x).argmax(1)
    assert set(answers) == set(present)


def test_two_classes_and_three_are_the_same_regression() -> None:
    """Of two classes scikit-learn has one logit; ours are two, with the same probabilities."""
    from sklearn.linear_model import LogisticRegression

    x, y = points((20, 20), 6)
    model = logistic(x, y, 2, 1.0)
    expected = LogisticRegression(C=1.0 / P, max_iter=300).fit(x, y).predict_log_proba(x)
    logits = model.logits(x)
    found = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-6)
