"""Intervals and tests: against scipy, and against repeated draws from a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ssgan.errors import DataError
from ssgan.evaluation.comparison import compare, mcnemar_exact, p_text, paired_bootstrap, wilson


@settings(max_examples=60, deadline=None)
@given(b=st.integers(0, 300), c=st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n: int, share: float, confidence: float) -> None:
    wrong = round(n * share)
    expected = stats.binomtest(wrong, n).proportion_ci(confidence, method="wilson")
    assert wilson(wrong, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_bootstrap_is_the_one_that_draws_images() -> None:
    """The multinomial shortcut has the distribution of drawing N indices."""
    rng = np.random.default_rng(0)
    difference = rng.choice([-1, 0, 1], p=[0.05, 0.75, 0.2], size=400)
    slow = difference[rng.integers(0, 400, size=(20_000, 400))].mean(axis=1)
    fast = paired_bootstrap(difference, 20_000, 0.95)
    assert fast == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.004)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    shares, n, rounds = [0.04, 0.86, 0.10], 500, 1000
    covered = 0
    for seed in range(rounds):
        low, high = paired_bootstrap(rng.choice([-1, 0, 1], p=shares, size=n), 1000, 0.95, seed=seed)
        covered += low <= 0.06 <= high
    # 95 % of 1,000 has a standard deviation of 0.7 points; the percentile interval may be about a point short.
    assert 0.925 <= covered / rounds <= 0.975


def test_equal_models_are_called_different_at_most_as_often_as_promised() -> None:
    """The verdict is what people act on: false alarms in both directions together stay below 5 %."""
    rng = np.random.default_rng(2)
    verdicts = []
    for n in (60, 300):
        for seed in range(400):
            right = rng.uniform(size=(2, n)) < 0.9
            verdicts.append(compare(right[0], right[1], 1000, 0.95, seed=seed).verdict)
    assert sum(v != "none" for v in verdicts) / len(verdicts) <= 0.05
    assert {"gain", "harm"} & set(verdicts), "a test that never rejects has no power to be checked"


def test_identical_models_have_no_gain_and_no_width() -> None:
    right = np.array([True, False, True, True])
    gain = compare(right, right.copy(), 1000, 0.95)
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
    assert (gain.mcnemar_p, gain.verdict) == (1.0, "none")


@pytest.mark.parametrize(("swap", "verdict", "sign"), [(False, "gain", 1), (True, "harm", -1)])
def test_a_clear_difference_has_a_direction(swap: bool, verdict: str, sign: int) -> None:
    better, worse = np.ones(200, bool), np.ones(200, bool)
    worse[:30], better[40:44] = False, False
    gain = compare(*((worse, better) if swap else (better, worse)), 2000, 0.95)
    assert gain.verdict == verdict
    assert gain.value == pytest.approx(sign * (30 - 4) / 200)
    assert gain.low <= gain.value <= gain.high
    assert {gain.only_main_right, gain.only_twin_right} == {30, 4}


def test_a_handful_of_images_is_no_proof() -> None:
    """4 against 0: the bootstrap interval excludes 0, the exact test (p = 0.125) does not reject."""
    better, worse = np.ones(100, bool), np.ones(100, bool)
    worse[:4] = False
    gain = compare(better, worse, 5000, 0.95)
    assert gain.low > 0
    assert gain.mcnemar_p == pytest.approx(0.125)
    assert gain.verdict == "none"


def test_the_same_seed_gives_the_same_interval() -> None:
    difference = np.random.default_rng(0).choice([-1, 0, 1], size=50)
    assert paired_bootstrap(difference, 500, 0.95, seed=4) == paired_bootstrap(difference, 500, 0.95, seed=4)
    assert paired_bootstrap(difference, 500, 0.95, seed=4) != paired_bootstrap(difference, 500, 0.95, seed=5)


def test_mismatches_are_named() -> None:
    with pytest.raises(DataError, match="one test set"):
        compare(np.ones(3, bool), np.ones(4, bool), 100, 0.95)
    with pytest.raises(DataError, match="-1, 0, 1"):
        paired_bootstrap(np.array([0.5]), 100, 0.95)
    with pytest.raises(DataError, match="-1, 0, 1"):
        compare(np.ones(0, bool), np.ones(0, bool), 100, 0.95)
    with pytest.raises(DataError, match="no proportion"):
        wilson(0, 0, 0.95)
    with pytest.raises(DataError, match="negative"):
        mcnemar_exact(-1, 3)


def test_p_is_never_printed_as_nothing() -> None:
    assert [p_text(p) for p in (0.0, 4e-7, 0.00099, 0.001, 0.1249, 1.0)] == [
        *3 * ["p < 0.001"],
        "p = 0.001",
        "p = 0.12",
        "p = 1",
    ]
