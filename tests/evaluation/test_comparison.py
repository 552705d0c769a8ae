"""Intervals and tests: against scipy, and against repeated draws from a known truth."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from ssgan.errors import DataError
from ssgan.evaluation.comparison import compare, least_that_shows, mcnemar_exact, p_text, score_interval, too_few, wilson


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


def score_of(delta: float, b: int, c: int, n: int) -> float:
    """The score statistic of a difference: by the constrained likelihood, maximized numerically."""

    def minus_likelihood(p21: float) -> float:
        shares = (p21 + delta, p21, 1 - 2 * p21 - delta)
        counts = (b, c, n - b - c)
        return -sum(count * np.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True) if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    p21 = optimize.minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return float((b - c - n * delta) / np.sqrt(n * (2 * p21 + delta - delta**2)))


@pytest.mark.parametrize(
    ("b", "c", "n"), [(12, 2, 50), (2, 12, 50), (30, 4, 200), (5, 0, 40), (3, 3, 20), (1, 0, 9), (60, 45, 10_000)]
)
def test_the_interval_ends_where_the_score_test_begins_to_reject(b: int, c: int, n: int) -> None:
    low, high = score_interval(b, c, n, 0.95)
    assert low < (b - c) / n < high
    z = stats.norm.ppf(0.975)
    assert score_of(low, b, c, n) == pytest.approx(z, abs=2e-3)
    assert score_of(high, b, c, n) == pytest.approx(-z, abs=2e-3)
    assert score_interval(c, b, n, 0.95) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("n", [1, 9, 2000])
def test_the_interval_has_width_where_two_models_agree_everywhere(n: int) -> None:
    z = stats.norm.ppf(0.975)
    assert score_interval(0, 0, n, 0.95) == pytest.approx((-z * z / (n + z * z), z * z / (n + z * z)), abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(counts=st.lists(st.integers(0, 60), min_size=3, max_size=3).filter(lambda c: sum(c) > 0))
def test_interval_and_p_value_never_contradict_each_other(counts: list[int]) -> None:
    b, c, both = counts
    main = np.array([True] * b + [False] * c + [True] * both)
    twin = np.array([False] * b + [True] * c + [True] * both)
    gain = compare(main, twin, 0.95)
    assert (gain.mcnemar_p < 0.05) == (not gain.low <= 0 <= gain.high) == (gain.verdict in ("gain", "harm"))
    assert -1 <= gain.low < gain.high <= 1
    if gain.verdict in ("none", "too_few") and b != c:
        assert gain.needed is not None
        assert gain.needed >= len(main)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    rounds = 2000
    for shares, n in (([0.04, 0.86, 0.10], 500), ([0.02, 0.90, 0.08], 60)):
        drawn = rng.multinomial(n, shares, size=rounds)
        ends = [score_interval(int(one[2]), int(one[0]), n, 0.95) for one in drawn]
        covered = sum(low <= 0.06 <= high for low, high in ends)
        assert 0.93 <= covered / rounds <= 0.98  # 95 % of 2,000 has a standard deviation of half a point


def test_equal_models_are_called_different_at_most_as_often_as_promised() -> None:
    """The verdict is what people act on: false alarms in both directions together stay below 5 %."""
    rng = np.random.default_rng(2)
    verdicts = []
    for n in (60, 300):
        for _ in range(400):
            right = rng.uniform(size=(2, n)) < 0.9
            verdicts.append(compare(right[0], right[1], 0.95).verdict)
    assert sum(v in ("gain", "harm") for v in verdicts) / len(verdicts) <= 0.05
    assert {"gain", "harm"} & set(verdicts), "a test that never rejects has no power to be checked"


def wrong_on(n: int, *rows: int) -> np.ndarray:
    """(N,) right on all but some of N images."""
    right = np.ones(n, bool)
    right[list(rows)] = False
    return right


@pytest.mark.parametrize(
    ("main", "twin", "verdict"),
    [
        (wrong_on(9, 0, 1, 2, 3, 4), wrong_on(9, 0, 1), "too_few"),
        (wrong_on(9, 0), wrong_on(9, 0), "too_few"),
        (wrong_on(2000, *range(100)), wrong_on(2000, *range(1, 101)), "none"),
        (wrong_on(2000, 0), wrong_on(2000, 1, 2), "too_few"),  # three errors in all: nothing could be shown
        (wrong_on(100, *range(40)), wrong_on(100, *range(3, 42)), "none"),
        (wrong_on(100), wrong_on(100), "none"),  # no error that could have gone
    ],
)
def test_too_few_images_are_told_from_no_difference(main: np.ndarray, twin: np.ndarray, verdict: str) -> None:
    """Too few: if half of the twin's errors had gone, these images could not have shown it."""
    assert compare(main, twin, 0.95).verdict == verdict


def test_how_small_a_difference_shows_and_how_many_images_would_do() -> None:
    gain = compare(wrong_on(9, 0, 1, 2, 3, 4), wrong_on(9, 0, 1), 0.95)  # 0 against 3
    assert gain.detectable == pytest.approx(6 / 9)  # 6 against 0 has p = 0.03, 5 against 0 has 0.06
    assert gain.needed == 18
    assert "9 test images show no difference below 66.7 points; about 18 would show the one seen" in too_few(asdict(gain), 9)
    tiny = compare(wrong_on(4, 0), wrong_on(4, 0), 0.95)
    assert too_few(asdict(tiny), 4).startswith("4 test images show no difference at all; label more")


@pytest.mark.parametrize("other", [0, 3, 40, 900])
def test_least_that_shows_is_the_first_count_that_the_test_rejects(other: int) -> None:
    least = least_that_shows(other, 0.95)
    assert mcnemar_exact(least, other) < 0.05 <= mcnemar_exact(least - 1, other)


@pytest.mark.parametrize(("swap", "verdict", "sign"), [(False, "gain", 1), (True, "harm", -1)])
def test_a_clear_difference_has_a_direction(swap: bool, verdict: str, sign: int) -> None:
    better, worse = np.ones(200, bool), np.ones(200, bool)
    worse[:30], better[40:44] = False, False
    gain = compare(*((worse, better) if swap else (better, worse)), 0.95)
    assert gain.verdict == verdict
    assert gain.value == pytest.approx(sign * (30 - 4) / 200)
    assert gain.low <= gain.value <= gain.high
    assert {gain.only_main_right, gain.only_twin_right} == {30, 4}


def test_a_handful_of_images_is_no_proof() -> None:
    """4 against 0: Tango's interval excludes 0, the exact test (p = 0.125) does not reject, and has the last word."""
    gain = compare(wrong_on(100), wrong_on(100, 0, 1, 2, 3), 0.95)
    assert score_interval(4, 0, 100, 0.95)[0] > 0
    assert gain.low == 0
    assert gain.mcnemar_p == pytest.approx(0.125)
    assert gain.verdict == "too_few"


def test_mismatches_are_named() -> None:
    with pytest.raises(DataError, match="one test set"):
        compare(np.ones(3, bool), np.ones(4, bool), 0.95)
    with pytest.raises(DataError, match="at least one image"):
        compare(np.ones(0, bool), np.ones(0, bool), 0.95)
    with pytest.raises(DataError, match="no paired counts"):
        score_interval(2, 3, 4, 0.95)
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
