"""Images that belong to no class, seen from the distances of their features."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssgan.evaluation.foreign import Foreign, foreign_share, nearest

RANDOM = np.random.default_rng(0)


def vectors(n: int, at: float, p: int = 8) -> np.ndarray:
    """(n, p) around one center of two, ``at`` away from the origin."""
    centers = at * np.eye(p)[RANDOM.integers(0, 2, n)]
    return (centers + RANDOM.normal(size=(n, p))).astype(np.float32)


def test_the_difference_of_two_distributions_minus_what_chance_does() -> None:
    """Distances 1, 2, 3, 4 of test, 1, 2, 9, 9 of the pool: they differ by 1/2 from 4 on."""
    labeled = np.zeros((1, 1), np.float32)
    test, pool = (np.array([numbers], np.float32).T for numbers in ([1, 2, 3, 4], [1, 2, 9, 9]))
    assert foreign_share(labeled, test, pool, 0.95) == Foreign(0.5, 0.0), "four images prove nothing"
    found = foreign_share(labeled, np.tile(test, (250, 1)), np.tile(pool, (250, 1)), 0.95)
    assert found.share == 0.5
    assert found.at_least == pytest.approx(0.5 - 2 * math.sqrt(math.log(40) / 2000))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_share_of_foreign_images_is_found_from_below(share: float) -> None:
    labeled, test = vectors(20, 6.0), vectors(400, 6.0)
    foreign = vectors(round(2000 * share), -6.0)
    found = foreign_share(labeled, test, np.concatenate([vectors(2000 - len(foreign), 6.0), foreign]), 0.95)
    assert found.at_least <= share
    assert found.share == pytest.approx(share, abs=0.07)
    assert (found.at_least > 0) == (share > 0)


def test_chosen_labels_are_no_evidence() -> None:
    """Labels of a few sheets lie close together: test and pool are equally far from them."""
    labeled = vectors(400, 6.0)
    labeled = labeled[np.argsort(nearest(labeled, labeled[:1]))[:20]]
    assert foreign_share(labeled, vectors(400, 6.0), vectors(2000, 6.0), 0.95).at_least == 0.0


def test_without_unlabeled_images_there_is_none() -> None:
    assert foreign_share(vectors(4, 6.0), vectors(40, 6.0), vectors(0, 6.0), 0.95) == Foreign(0.0, 0.0)
