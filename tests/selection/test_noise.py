"""Confident learning against the paper's definitions written out, and an audit of labels that were made wrong on purpose."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.data.index import paths_of
from ssgan.errors import DataError
from ssgan.ledger import Vote
from ssgan.selection.audit import Labeled, audit, near_duplicates, out_of_sample, read
from ssgan.selection.noise import confident_learning
from ssgan.selection.scoring import unit
from ssgan.selection.sheet import sheet, table, title
from tests.support.data import blobs, write_data
from tests.support.pools import CLASSES, SPEC, look, look_by_id, noise


def test_the_example_by_hand() -> None:
    """Thresholds: class 0: (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1: (0.7 + 0.6) / 2 = 0.65. Class 2 has no label."""
    p = np.array([[0.9, 0.1, 0.0], [0.8, 0.1, 0.1], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0], [0.4, 0.6, 0.0]])
    given = np.array([0, 0, 0, 1, 1])
    found = confident_learning(p, given)
    assert found.suggested.tolist() == [0, 0, 1, 1, -1]
    assert found.suspects(given).tolist() == [2]
    np.testing.assert_allclose(found.margin, [0.8, 0.7, -0.8, 0.4, 0.2])
    # rows of the confident joint: class 0: 2 right, 1 wrong; class 1: 1 right; scaled to 3 and 2 images
    assert found.share == pytest.approx((1 / 3 * 3 + 0 * 2) / 5)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 30))
def test_any_table_against_the_definitions(seed: int, k: int, n: int) -> None:
    random = np.random.default_rng(seed)
    p, given = random.dirichlet(np.ones(k), n), random.integers(0, k, n)
    found = confident_learning(p, given)
    means = {j: float(np.mean([p[i, j] for i in range(n) if given[i] == j])) for j in set(given.tolist())}
    for i in range(n):
        able = [j for j in means if p[i, j] >= means[j]]
        assert found.suggested[i] == (max(able, key=lambda j: p[i, j]) if able else -1)
    order = found.suspects(given).tolist()
    assert order == sorted(order, key=lambda i: p[i, given[i]] - max(np.delete(p[i], given[i])))
    assert set(order) == {i for i in range(n) if found.suggested[i] not in (-1, given[i])}


def labeled(n: int = 90, wrong: int = 8) -> tuple[Labeled, set[int]]:
    """Three classes that are easy to tell apart; the labels of some images are wrong."""
    images, truth = blobs(n, SPEC, 3, seed=5)
    said, rows = truth.astype(np.int64), np.random.default_rng(1).permutation(n)[:wrong]
    said[rows] = (said[rows] + 1) % 3
    features = unit(images.reshape(n, -1).astype(np.float64) - 128)
    names = [f"{i:064x}" for i in range(n)]
    return Labeled(names, [f"<{i}>.png" for i in range(n)], ["labeled", "val"] * (n // 2), images, said, features), set(
        rows.tolist()
    )


def test_labels_that_were_made_wrong_are_found_and_no_others() -> None:
    images, wrong = labeled()
    found = audit(images, CLASSES, np.arange(90))
    assert {suspect.row for suspect in found.suspects} == wrong
    assert found.judged == {"labeled": 45, "val": 45}
    assert found.share == pytest.approx(8 / 90, abs=0.02)
    worst = found.suspects[0]
    assert (worst.given, worst.suggested) == (CLASSES[images.label[worst.row]], CLASSES[(images.label[worst.row] - 1) % 3])


def test_near_duplicates_do_not_vouch_for_each_other() -> None:
    """Every image comes twice; a probe that saw the twin would repeat its label, also where that is wrong."""
    random = np.random.default_rng(0)
    features = np.repeat(unit(random.normal(size=(40, 200))), 2, axis=0)
    label = np.repeat(random.integers(0, 2, 40), 2)  # labels without any meaning
    apart, _ = out_of_sample(features, label, np.repeat(np.arange(40), 2), 2)
    leaked, _ = out_of_sample(features, label, np.arange(80), 2)
    right = [float((p.argmax(axis=1) == label).mean()) for p in (apart, leaked)]
    assert right[0] < 0.75
    assert right[1] > 0.9


def test_an_image_that_is_alone_in_its_class_is_not_judged() -> None:
    images, _ = labeled(wrong=0)
    label = images.label.copy()
    label[0] = 3
    found = audit(images._replace(label=label), [*CLASSES, "dog"], np.arange(90))
    assert found.unjudged == 1
    assert 0 not in {suspect.row for suspect in found.suspects}


def test_one_class_is_nothing_to_audit() -> None:
    images, _ = labeled()
    with pytest.raises(DataError, match="fewer than two classes"):
        audit(images._replace(label=np.zeros(90, np.int64)), CLASSES, np.arange(90))


def test_both_sets_are_read_and_twins_across_them_are_one_group(tmp_path: Path) -> None:
    images = noise(12, 0)
    val = np.concatenate([images[6:], images[:1] // 2 * 2])
    files = write_data(tmp_path, {"labeled": (images[:6], np.arange(6) % 3), "val": (val, np.arange(7) % 3)}, SPEC, CLASSES)
    found = read(files, look_by_id, partial(paths_of, tmp_path / "index"))
    assert found.ids == sorted(found.ids)
    assert sorted(found.sets) == ["labeled"] * 6 + ["val"] * 7
    group = near_duplicates(found, 4, 6.0)
    assert len(set(group.tolist())) == 12
    np.testing.assert_allclose(found.features, unit(look(found.pixels).features), atol=1e-6)


def nothing(ids: Sequence[str], paths: Sequence[str]) -> list[bytes | None]:
    """The originals are not to be had."""
    return [None] * len(ids)


def test_the_sheet_shows_originals_where_they_are_there(tmp_path: Path) -> None:
    images, _ = labeled()
    found = audit(images, CLASSES, np.arange(90))
    page = sheet(found, images.pixels, tmp_path / "suspects.csv", 3, lambda ids, paths: [None, b"jpeg", None])
    assert page.count('<img class="small"') == 2
    assert page.count(f'<img src="data:image/jpeg;base64,{b64encode(b"jpeg").decode()}"') == 1


def test_the_table_is_a_queue_and_the_sheet_escapes_what_it_shows(tmp_path: Path) -> None:
    images, _ = labeled()
    found = audit(images, CLASSES, np.arange(90))
    first = found.suspects[0]
    votes = {
        first.sha256: [Vote(first.sha256, "ant", "eva", "2026-01-01", ""), Vote(first.sha256, "bee", "", "2026-01-01", "")]
    }
    rows = list(csv.DictReader(io.StringIO(table(found.suspects, votes))))
    assert [row["sha256"] for row in rows] == [suspect.sha256 for suspect in found.suspects]
    assert rows[0]["votes"] == "eva: ant; unknown: bee"
    assert "label" not in rows[0]  # nobody imports guesses by accident
    page = sheet(found, images.pixels, tmp_path / "suspects.csv", 3, nothing)
    assert page.count("<img") == 3
    assert f"&lt;{first.row}&gt;.png" in page
    assert "5 more are in the CSV file" in page
    assert "http" not in page
    assert title(found) == "8 labels look wrong"
    clean = audit(labeled(wrong=0)[0], CLASSES, np.arange(90))
    assert "No label looks wrong" in sheet(clean, images.pixels, tmp_path, 3, nothing)
