"""The threshold of abstention: against scipy, against a known truth drawn many times, against a naive reading of the curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ssgan.config import EvaluateConfig
from ssgan.errors import DataError
from ssgan.evaluation import abstention
from ssgan.evaluation.judge import describe, judge
from tests.support.fake_run import Fake

MAX_RISK, CONFIDENCE = 0.2, 0.9


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.4))
def test_the_bound_is_that_of_scipy(wrong: int, total: int, doubt: float) -> None:
    wrong = min(wrong, total)
    expected = stats.binomtest(wrong, total, alternative="less").proportion_ci(1 - doubt, method="exact").high
    assert abstention.upper_bound(wrong, total, doubt) == pytest.approx(expected, abs=1e-9)


def risk(p: np.ndarray) -> np.ndarray:
    """Of a model that is surer of itself than it may be: the probability of being wrong at probability ``p``."""
    return np.minimum(1.0, 1.6 * (1 - p))


def true_risk(threshold: float) -> float:
    """Above a threshold, if p is uniform on 1/2 to 1: the mean of ``risk`` there."""
    grid = np.linspace(max(threshold, 0.5), 1, 2001)
    return float(np.trapezoid(risk(grid), grid) / (grid[-1] - grid[0])) if threshold < 1 else 0.0


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    p = rng.uniform(0.5, 1, n)
    return p, rng.random(n) >= risk(p)


def test_the_promise_is_kept_as_often_as_it_says() -> None:
    rng, broken, naive, found = np.random.default_rng(0), 0, 0, 0
    for _ in range(1000):
        p, right = draw(rng, 600)
        chosen = abstention.choose(p, right, MAX_RISK, CONFIDENCE)
        if chosen.value is not None:
            found += 1
            broken += true_risk(chosen.value) > MAX_RISK
        passing = [sure for _, error, sure in abstention.curve(p, right) if error <= MAX_RISK]
        naive += bool(passing) and true_risk(min(passing)) > MAX_RISK
    assert found > 100
    assert broken <= stats.binom.ppf(0.999, 1000, 1 - CONFIDENCE)
    assert naive > 400  # the point of the curve that looks good enough is no promise


def test_more_images_of_val_answer_more() -> None:
    rng = np.random.default_rng(1)
    values = [abstention.choose(*draw(rng, n), MAX_RISK, CONFIDENCE).value for n in (1000, 100_000)]
    assert values[0] is not None
    assert values[1] is not None
    assert true_risk(values[1]) > 0.8 * MAX_RISK  # near what is allowed
    assert values[1] < values[0]


@pytest.mark.parametrize(("max_risk", "confidence"), [(0.05, 0.95), (0.01, 0.9), (0.3, 0.99)])
def test_too_few_images_promise_nothing(max_risk: float, confidence: float) -> None:
    n = abstention.needed(max_risk, confidence)
    enough, few = (
        abstention.choose(np.linspace(0.5, 0.9, size), np.ones(size, bool), max_risk, confidence) for size in (n, n - 1)
    )
    assert enough.value == 0.0  # all right: everything is answered
    assert (enough.answered, enough.wrong) == (n, 0)
    assert few.value is None
    assert f"validation holds {n - 1} images, at least {n} are needed to guarantee {max_risk:g}" in few.note


def test_a_model_that_is_always_half_wrong_gets_no_threshold() -> None:
    chosen = abstention.choose(np.linspace(0.5, 1, 1000), np.arange(1000) % 2 == 0, 0.1, 0.95)
    assert chosen.value is None
    assert "none of" in chosen.note
    assert "label more validation images, or accept a larger risk" in chosen.note


def test_images_of_equal_probability_are_not_told_apart() -> None:
    p = np.repeat([0.99, 0.7], [500, 500])
    chosen = abstention.choose(p, np.repeat([True, False], [500, 500]), 0.05, 0.95)
    assert (chosen.value, chosen.answered, chosen.wrong) == (0.7, 500, 0)


def test_a_step_outside_the_promise_is_not_taken() -> None:
    """The surest 60 % are right, one in ten of the others is wrong: 5 % of all would be right on the edge."""
    p = np.linspace(1, 0.5, 1000)
    right = ~((np.arange(1000) >= 600) & (np.arange(1000) % 10 == 0))
    chosen = abstention.choose(p, right, 0.02, 0.95)
    assert chosen.value is not None
    assert chosen.bound is not None
    assert chosen.bound <= 0.02
    looks = [k for k in range(50, 1001, 50) if abstention.upper_bound(0, k, 0.05 / 20) <= 0.02]
    counts = [int((~right[:k]).sum()) for k in looks]
    bounds = [stats.beta.ppf(1 - 0.05 / len(looks), w + 1, k - w) for k, w in zip(looks, counts, strict=True)]
    assert chosen.answered == max(k for k, bound in zip(looks, bounds, strict=True) if bound <= 0.02)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_the_curve_counts_what_lies_above(rows: list[tuple[float, bool]]) -> None:
    p, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    curve = abstention.curve(p, right)
    assert [sure for *_, sure in curve] == sorted(set(p), reverse=True)
    for coverage, error, sure in curve:
        kept = p >= sure
        assert coverage == pytest.approx(kept.mean())
        assert error == pytest.approx((~right[kept]).mean())


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    p = np.linspace(1, 0.5, 10_000)
    curve = abstention.curve(p, np.ones(10_000, bool))
    assert len(curve) == abstention.CURVE_POINTS
    assert [row[0] for row in curve[:: len(curve) - 1]] == [1 / 10_000, 1.0]
    assert abstention.curve(p[:0], np.ones(0, bool)) == []


def test_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="one of each per val image"):
        abstention.choose(np.ones(3), np.ones(2, bool), 0.1, 0.9)


def test_no_label_of_test_moves_the_threshold() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    logits = 6 * np.eye(3)[labels] + rng.normal(0, 2, (600, 3))
    config = EvaluateConfig(max_risk=0.1)
    found = [
        judge(logits[300:], test, logits[:300], labels[:300], ["a", "b", "c"], config).metrics["abstention"]
        for test in (labels[300:], (labels[300:] + 1) % 3)
    ]
    assert found[0]["threshold"] == found[1]["threshold"] is not None
    assert found[0]["coverage"] == found[1]["coverage"]
    assert found[0]["error_rate"] < 0.1 < found[1]["error_rate"]


def asked(fake: Fake, monkeypatch: pytest.MonkeyPatch, max_risk: float) -> dict[str, Any]:
    fake.write()
    (fake.root / "params.yaml").write_text(f"evaluate: {{max_risk: {max_risk}}}\n")
    return fake.evaluate(monkeypatch)


def test_the_stage_publishes_all_digits_of_the_threshold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = asked(Fake(tmp_path, num_val=400), monkeypatch, 0.03)
    promise = numbers["main"]["abstention"]
    assert promise["threshold"] != round(promise["threshold"], 8)
    assert 0 < promise["coverage_low"] < promise["coverage"] < promise["coverage_high"] <= 1
    assert promise["val_risk_bound"] <= 0.03
    assert "of test answered" in describe(numbers)
    lines = (tmp_path / "plots/risk_coverage.csv").read_text().splitlines()
    assert lines[0] == "series,coverage,error_rate,least_probability"
    assert {line.split(",")[0] for line in lines[1:]} == {"val", "test"}


def test_the_stage_says_that_val_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = asked(Fake(tmp_path), monkeypatch, 0.05)
    assert numbers["main"]["abstention"]["threshold"] is None
    assert "validation holds 40 images, at least 117 are needed to guarantee 0.05" in describe(numbers)


def test_nobody_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Fake(tmp_path).write().evaluate(monkeypatch)["main"]["abstention"] is None
