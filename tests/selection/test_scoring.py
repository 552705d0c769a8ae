"""Scores against formulas written out another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.selection.scoring import distance, entropy, probabilities, top_two, uncertainty, unit

logit_rows = st.lists(st.lists(st.floats(-20, 20), min_size=4, max_size=4), min_size=1, max_size=6)


@settings(deadline=None)
@given(logit_rows, st.floats(0.5, 4))
def test_margin_and_entropy_are_those_of_the_calibrated_probabilities(rows: list[list[float]], temperature: float) -> None:
    p = probabilities(np.array(rows, np.float32), temperature)
    for row, got, torn, spread in zip(np.array(rows, np.float32).tolist(), p, uncertainty(p), entropy(p), strict=True):
        weights = [math.exp((x - max(row)) / temperature) for x in row]
        expected = sorted((w / sum(weights) for w in weights), reverse=True)
        assert sorted(got, reverse=True) == pytest.approx(expected, abs=1e-9)
        assert torn == pytest.approx(1 - (expected[0] - expected[1]), abs=1e-9)
        assert spread == pytest.approx(-sum(q * math.log(q) for q in expected if q > 0), abs=1e-9)


def test_the_two_most_probable_classes_come_in_order_and_ties_by_id() -> None:
    assert top_two(np.array([[0.1, 0.6, 0.3], [0.4, 0.2, 0.4]])).tolist() == [[1, 2], [0, 2]]


def test_distances_between_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssgan.selection.scoring.BLOCK", 3)
    random = np.random.default_rng(0)
    a, b = unit(random.normal(size=(5, 7))), unit(random.normal(size=(8, 7)))
    np.testing.assert_allclose(distance(a, b), np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1), atol=1e-3)
    assert np.isinf(distance(a, b[:0])).all()
    np.testing.assert_allclose(unit(3 * a), a, atol=1e-6)
    assert (unit(np.zeros((1, 3))) == 0).all()
