"""Greedy choice against a slow one that follows the definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.selection.diversity import alike, best_first, greedy
from ssgan.selection.scoring import unit
from tests.support.pools import noise


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5))
def test_each_step_takes_the_largest_product_of_weight_and_distance(seed: int, wanted: int, cap: int) -> None:
    random = np.random.default_rng(seed)
    m = 20
    features, labeled = unit(random.normal(size=(m, 6))), unit(random.normal(size=(3, 6)))
    weight, kind, group = random.uniform(size=m), random.integers(0, 4, m), random.integers(0, 15, m)
    start = np.linalg.norm(features[:, None] - labeled[None], axis=2).min(axis=1)
    found = greedy(weight, features, start, group, {int(group[0])}, kind, cap, wanted)
    chosen: list[int] = []
    while len(chosen) < wanted:
        known = [*labeled, *features[chosen]]
        score = {
            i: weight[i] * min(np.linalg.norm(features[i] - other) for other in known)
            for i in range(m)
            if group[i] not in {group[0], *group[chosen]} and int((kind[chosen] == kind[i]).sum()) < cap
        }
        if not score:
            break
        chosen.append(max(score, key=lambda i: score[i]))
    assert found.rows == chosen
    assert len(found.scores) == len(found.distances) == len(chosen)


def test_the_best_come_first_and_one_of_each_group() -> None:
    found = best_first(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 1, 2, 3]), {3}, 5)
    assert found.rows == [0, 2]
    assert found.scores == [0.9, 0.7]


def test_only_images_with_a_near_hash_are_looked_at() -> None:
    images, others = noise(30, 0), noise(30, 1)
    assert alike(np.concatenate([images, others[:5]]), others, 4).tolist()[-5:] == [True] * 5
    assert not alike(images, others, 0).any()
