"""The rules of the gate: each at its limit, and what chance alone gets through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ssgan.config import EvaluateConfig, GateConfig
from ssgan.evaluation.challenger import Predictions, compare_pairs, pair
from ssgan.evaluation.gate import Rule, judge_gate, passes

CLASSES = [f"class {k}" for k in range(5)]
CONFIG = EvaluateConfig()
MODEL = {
    "main": {"ece_calibrated": 0.03, "temperature_note": "not fitted: validation holds 3 images"},
    "gain": {"error_rate": 0.02, "low": 0.01, "high": 0.03},
}


def model(rng: np.random.Generator, labels: np.ndarray, hard: np.ndarray) -> Predictions:
    """Wrong where ``hard`` says so, and by chance on 5 % of the images."""
    names, n = np.array(CLASSES, dtype=object), len(labels)
    wrong = hard | (rng.random(n) < 0.05)
    said = np.where(wrong, (labels + 1) % len(CLASSES), labels)
    ids = np.array([f"{i:05d}" for i in range(n)], dtype=object)
    return Predictions(ids, ids, names[labels], names[said], rng.uniform(0.5, 1, n), rng.uniform(0, 1, n), CLASSES)


@pytest.mark.parametrize(("images", "seed"), [(60, 0), (350, 1), (2000, 2)])
def test_of_two_equally_good_models_one_replaces_the_other_in_at_most_5_of_100_cases(images: int, seed: int) -> None:
    rng, rounds, through = np.random.default_rng(seed), 300, 0
    gate = GateConfig(max_recall_drop=None)  # the rule about the gain alone has to hold it
    for _ in range(rounds):
        labels, hard = rng.integers(0, len(CLASSES), images), rng.random(images) < 0.05
        pairs = pair(model(rng, labels, hard), model(rng, labels, hard))
        through += passes(judge_gate(compare_pairs(pairs, CONFIG), MODEL, gate))
    assert through <= 0.05 * rounds


def test_a_model_that_is_clearly_better_passes_and_the_other_way_round_it_does_not() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, len(CLASSES), 1000)
    good, bad = (model(rng, labels, rng.random(1000) < share) for share in (0.02, 0.15))
    assert passes(judge_gate(compare_pairs(pair(bad, good), CONFIG), MODEL, GateConfig()))
    rules = judge_gate(compare_pairs(pair(good, bad), CONFIG), MODEL, GateConfig())
    assert not passes(rules)
    assert rules[0].said.split(";")[0].split(",")[0].endswith("points more errors")


def numbers(**changes: Any) -> dict[str, Any]:
    """A comparison that passes every rule."""
    row = {"class": "ant", "images": 40, "difference": -0.05, "lost": 4, "won": 2}
    value = {
        "gain": {"error_rate": 0.03, "low": 0.01, "high": 0.05, "verdict": "gain"},
        "per_class": [{**row, "class": "bee", "difference": 0.1, "lost": 0, "won": 4}, row],
        "classes": {"lost": [], "new": []},
        "images": {"shared": 60, "only_challenger": 40},
    }
    return {**value, **changes}


def rule(name: str, found: dict[str, Any] | None, gate: GateConfig, challenger: dict[str, Any] | None = None) -> Rule:
    (one,) = [r for r in judge_gate(found, challenger or MODEL, gate) if r.name == name]
    return one


GAIN = {"error_rate": 0.03, "low": 0.01, "high": 0.05}


@pytest.mark.parametrize(
    ("gain", "limit", "passed"),
    [
        ({**GAIN, "verdict": "gain"}, 0.0, True),
        ({**GAIN, "verdict": "gain"}, 0.009, True),
        ({**GAIN, "verdict": "gain"}, 0.01, False),  # above, not at
        ({**GAIN, "low": 0.0, "verdict": "none"}, 0.0, False),
        ({**GAIN, "low": 0.0, "verdict": "too_few", "detectable": 0.1, "needed": 500}, 0.0, False),
        ({**GAIN, "low": -0.004, "verdict": "none"}, -0.005, True),  # "not worse by more than half a point"
        ({**GAIN, "low": -0.006, "verdict": "none"}, -0.005, False),
    ],
)
def test_gain(gain: dict[str, Any], limit: float, passed: bool) -> None:
    assert rule("gain", numbers(gain=gain), GateConfig(min_gain=limit)).passed is passed


@pytest.mark.parametrize(
    ("difference", "lost", "won", "limit", "passed"),
    [
        (-0.05, 4, 2, 0.05, True),  # at the limit
        (-0.05, 4, 2, 0.04, False),
        (-0.2, 1, 0, 0.1, True),  # one image proves nothing
        (-0.2, 3, 2, 0.1, True),
        (-0.2, 2, 0, 0.1, False),
        (-1.0, 9, 0, None, None),
    ],
)
def test_recall_drop(difference: float, lost: int, won: int, limit: float | None, passed: bool | None) -> None:
    row = {"class": "ant", "images": 10, "difference": difference, "lost": lost, "won": won}
    one = rule("recall drop", numbers(per_class=[row]), GateConfig(max_recall_drop=limit))
    assert one.passed is passed
    assert ("ant" in one.said) is (passed is not None)


def test_a_class_that_is_gone_needs_a_person_and_a_new_one_does_not() -> None:
    gone = rule("classes", numbers(classes={"lost": ["ant"], "new": []}), GateConfig())
    assert gone.passed is False
    assert "does not know ant" in gone.said
    assert rule("classes", numbers(classes={"lost": [], "new": ["dog"]}), GateConfig()).passed is True


@pytest.mark.parametrize(("limit", "passed"), [(0.6, True), (0.61, False)])
def test_shared_images(limit: float, passed: bool) -> None:
    assert rule("shared images", numbers(), GateConfig(min_shared=limit)).passed is passed


@pytest.mark.parametrize(("limit", "passed"), [(0.03, True), (0.029, False), (None, None)])
def test_calibration(limit: float | None, passed: bool | None) -> None:
    found = rule("calibration", numbers(), GateConfig(max_ece=limit))
    assert found.passed is passed
    assert ("validation holds 3 images" in found.said) is (passed is False), "who is stopped by it has to know what to do"


@pytest.mark.parametrize(
    ("gain", "limit", "passed"),
    [(0.01, 0.0, True), (-0.001, 0.0, True), (-0.021, 0.0, False), (None, 0.0, False), (None, None, None), (-0.5, None, None)],
)
def test_gain_over_the_twin(gain: float | None, limit: float | None, passed: bool | None) -> None:
    """It stops a model that is measurably behind its twin, not one whose test set is too small to tell."""
    challenger = {**MODEL, "gain": None if gain is None else {"error_rate": gain, "low": gain - 0.02, "high": gain + 0.02}}
    found = rule("gain over the baseline", numbers(), GateConfig(min_ssl_gain=limit), challenger)
    assert found.passed is passed
    if gain == -0.001:
        assert found.said == "the gain is -0.1 points (-2.1 to 1.9), not measurably below 0.0"
    if gain == -0.021:
        assert found.said == "the gain is -2.1 points (-4.1 to -0.1), measurably below 0.0"


def test_without_a_champion_the_rules_that_compare_are_skipped_and_say_so() -> None:
    rules = judge_gate(None, MODEL, GateConfig())
    assert [r.passed for r in rules] == [None] * 4 + [True] * 2
    assert all("no champion yet" in r.said for r in rules[:4])
    assert passes(rules)
    assert not passes(judge_gate(None, {**MODEL, "gain": {"error_rate": -0.1, "low": -0.2, "high": -0.01}}, GateConfig()))
