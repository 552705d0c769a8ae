"""The picks: nothing twice, nothing labeled, uncertain and different; a uniform control group; same input, same picks."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from ssgan.errors import DataError
from ssgan.selection.choose import Selection, SelectionRules, select
from ssgan.selection.pool import best, score_images, summarize_pool
from ssgan.selection.scoring import entropy, probabilities, uncertainty, unit
from ssgan.selection.shares import Shares
from tests.support.data import reserve, write_data
from tests.support.pools import CLASSES, SPEC, U8, look, look_by_id, noise, pool

RULES = SelectionRules(Shares(30, 5, 10), 0, 4, 6.0)


def ids(images: U8) -> list[str]:
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def run(
    folder: Path, unlabeled: U8, rules: SelectionRules = RULES, labeled: U8 | None = None, without: set[str] | None = None
) -> Selection:
    return select(pool(folder, unlabeled, labeled), look_by_id, 1.5, CLASSES, without or set(), rules)


def names(selection: Selection, kind: str) -> list[str]:
    return [pick.sha256 for pick in selection.picks if pick.slice == kind]


def test_each_slice_has_its_share_and_no_image_comes_twice(tmp_path: Path) -> None:
    images = noise(400, 0)
    found = run(tmp_path, images)
    assert Counter(pick.slice for pick in found.picks) == {"uncertain": 30, "unknown": 5, "control": 10}
    assert len({pick.sha256 for pick in found.picks}) == 45
    assert {pick.sha256 for pick in found.picks} <= set(ids(images))
    assert [pick.rank for pick in found.picks] == list(range(1, 46))
    assert found.pool.size == 400


def test_what_has_a_label_is_no_part_of_the_pool(tmp_path: Path) -> None:
    images = noise(60, 0)
    gone = set(ids(images)[:15])
    found = run(tmp_path, images, without=gone)
    assert found.pool.size == 45
    assert {pick.sha256 for pick in found.picks} == set(ids(images)) - gone


def test_order_and_shards_of_the_pool_do_not_matter(tmp_path: Path) -> None:
    images = noise(300, 0)
    first = run(tmp_path / "a", images)
    sets = {"labeled": (noise(6, 1), np.arange(6) % 3), "unlabeled": (images[::-1], None)}
    files = write_data(tmp_path / "b", sets, SPEC, CLASSES, shard=70, group=7)
    again = select(files, look_by_id, 1.5, CLASSES, set(), RULES)
    assert [pick.sha256 for pick in first.picks] == [pick.sha256 for pick in again.picks]


def test_picks_are_more_uncertain_than_the_pool_and_the_strangest_have_the_largest_entropy(tmp_path: Path) -> None:
    images = noise(400, 0)
    found = run(tmp_path, images)
    p = probabilities(look(images).logits, 1.5)
    torn, spread = dict(zip(ids(images), uncertainty(p), strict=True)), dict(zip(ids(images), entropy(p), strict=True))
    assert np.mean([torn[one] for one in names(found, "uncertain")]) > np.quantile(list(torn.values()), 0.8)
    control = set(names(found, "control"))
    rest = sorted((one for one in spread if one not in control), key=lambda one: -spread[one])
    assert names(found, "unknown") == rest[:5]


def test_near_duplicates_are_chosen_once_and_never_of_a_labeled_image(tmp_path: Path) -> None:
    distinct = noise(50, 0)
    nearly = np.clip(distinct.astype(int) + 1, 0, 255).astype(np.uint8)  # one grey level brighter
    labeled = np.clip(distinct[:6].astype(int) + 2, 0, 255).astype(np.uint8)
    found = run(tmp_path, np.concatenate([distinct, nearly]), SelectionRules(Shares(60, 0, 0), 0, 4, 6.0), labeled=labeled)
    twin_of = dict(zip(ids(nearly), ids(distinct), strict=True))
    chosen = [twin_of.get(pick.sha256, pick.sha256) for pick in found.picks]
    assert len(chosen) == len(set(chosen)) == 44
    assert not set(chosen) & set(ids(distinct[:6]))


def test_the_score_is_uncertainty_times_the_distance_from_all_that_will_be_labeled(tmp_path: Path) -> None:
    images, labeled = noise(400, 0), noise(6, 1)
    found = run(tmp_path, images)
    torn = dict(zip(ids(images), uncertainty(probabilities(look(images).logits, 1.5)), strict=True))
    place = dict(zip(ids(images), unit(look(images).features), strict=True))
    known = [*unit(look(labeled).features), *(place[one] for one in (*names(found, "control"), *names(found, "unknown")))]
    for pick in (pick for pick in found.picks if pick.slice == "uncertain"):
        nearest = min(float(np.linalg.norm(place[pick.sha256] - other)) for other in known)
        assert pick.score == pytest.approx(torn[pick.sha256] * nearest, abs=1e-3)
        known.append(place[pick.sha256])


def test_near_duplicates_of_another_slice_are_not_chosen(tmp_path: Path) -> None:
    distinct = noise(30, 0)
    nearly = np.clip(distinct.astype(int) + 1, 0, 255).astype(np.uint8)
    found = run(tmp_path, np.concatenate([distinct, nearly]), SelectionRules(Shares(40, 5, 4), 0, 4, 6.0))
    twin_of = dict(zip(ids(nearly), ids(distinct), strict=True))
    control = {twin_of.get(one, one) for one in names(found, "control")}
    chosen = [twin_of.get(one, one) for one in (*names(found, "unknown"), *names(found, "uncertain"))]
    assert len(set(chosen)) == len(chosen) == 30 - len(control)  # all that is left, and fewer than the budget
    assert not control & set(chosen)


def test_the_best_of_each_predicted_class_stay(tmp_path: Path) -> None:
    images = noise(90, 0)
    block = score_images(np.array(ids(images)), images, look_by_id, 1.5)
    kept = best(block, "uncertainty", 7, per_class=True)
    for kind in range(3):
        scores = sorted(block.uncertainty[block.top[:, 0] == kind], reverse=True)[:7]
        assert kept.uncertainty[kept.top[:, 0] == kind].tolist() == scores
    assert best(block, "unknown", 5, per_class=False).unknown.tolist() == sorted(block.unknown, reverse=True)[:5]


def test_no_class_takes_more_than_twice_its_share_while_others_have_some(tmp_path: Path) -> None:
    images = noise(2000, 0)
    predicted = look(images).logits.argmax(axis=1)
    lopsided = images[np.concatenate([np.flatnonzero(predicted == 0)[:500], np.flatnonzero(predicted > 0)[:40]])]
    rules = SelectionRules(Shares(30, 0, 0), 0, 4, 6.0)
    found = run(tmp_path / "a", lopsided, rules)
    assert max(Counter(pick.predicted for pick in found.picks).values()) <= 20
    assert found.beyond_share == 0
    only = run(tmp_path / "b", images[predicted == 0][:100], rules)
    assert Counter(pick.predicted for pick in only.picks) == {"ant": 30}
    assert only.beyond_share == 10


def test_the_control_group_is_a_uniform_draw(tmp_path: Path) -> None:
    """Each of 40 images is in about a quarter of 400 draws of 10; the standard deviation is 8.7."""
    images = noise(40, 0)
    files = pool(tmp_path, images)
    counts = Counter(one for seed in range(400) for one in summarize_pool(files, set(), 10, seed).control)
    assert len(counts) == 40
    assert all(60 < counts[one] < 140 for one in ids(images))


def test_images_for_val_and_test_are_a_uniform_draw_of_those_that_wait_for_a_label(tmp_path: Path) -> None:
    """Each of 40 images is in about a fifth of 100 draws of 8; the standard deviation is 4."""
    files, reserved = pool(tmp_path, noise(60, 0), extra=noise(40, 2)), ids(noise(40, 2))
    reserve(tmp_path, reserved)

    def drawn(seed: int, labeled: Collection[str] = ()) -> list[str]:
        return names(
            select(files, look_by_id, 1.5, CLASSES, labeled, SelectionRules(Shares(10, 0, 5, 8), seed, 4, 6.0)), "held_out"
        )

    counts = Counter(one for seed in range(100) for one in drawn(seed))
    assert counts.keys() == set(reserved)
    assert max(counts.values()) < 42
    assert set(drawn(0, reserved[:35])) == set(reserved[35:])


def test_no_model_looks_at_images_for_val_and_test(tmp_path: Path) -> None:
    files = pool(tmp_path, noise(60, 0), extra=noise(2, 2))
    reserve(tmp_path, ids(noise(2, 2)))
    found = select(files, look_by_id, 1.5, CLASSES, set(), SelectionRules(Shares(10, 0, 5, 2), 0, 4, 6.0))
    picks = [pick for pick in found.picks if pick.slice == "held_out"]
    assert {(pick.predicted, pick.probability, pick.score, pick.reason) for pick in picks} == {
        (None, None, None, "drawn at random, for val and test")
    }
    assert len(found.picks) == 17


def test_reasons_are_words_and_the_control_group_has_no_score(tmp_path: Path) -> None:
    for pick in run(tmp_path, noise(400, 0)).picks:
        words = {
            "uncertain": "the model is uncertain: ",
            "unknown": "may be no known class, place ",
            "control": "drawn at random",
        }
        assert pick.reason.startswith(words[pick.slice])
        assert (pick.score is None) == (pick.slice == "control")
        if pick.slice == "uncertain":
            assert f"{pick.predicted} ({pick.probability:.0%}) or " in pick.reason


def test_a_pool_below_the_budget_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="the pool holds 20 images without a label, fewer than the 45 that --budget takes of it; lower"
    ):
        run(tmp_path, noise(20, 0))


def test_memory_depends_on_the_budget_and_not_on_the_pool(tmp_path: Path) -> None:
    peaks = []
    for n in (2_000, 16_000):
        files = pool(tmp_path / str(n), noise(n, 0))
        tracemalloc.start()
        select(files, look_by_id, 1.5, CLASSES, set(), RULES)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
