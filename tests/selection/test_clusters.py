"""Clusters, and what is typical of them; which images are asked for without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ssgan.config import SplitConfig
from ssgan.errors import DataError
from ssgan.selection.choose import SelectionRules
from ssgan.selection.clusters import cluster, typical_first, typicality
from ssgan.selection.cold import Pool, clusters_in_order, most_typical, read_pool, select_typical
from ssgan.selection.shares import Shares
from tests.support.split_project import Image, Project, images_of


def blobs(sizes: list[int], seed: int = 0) -> npt.NDArray[np.float32]:
    """Gaussian clouds that are far from each other."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(50 * i, 1, (n, 4)) for i, n in enumerate(sizes)]).astype(np.float32)


def pool(count: int, group: list[int] | None = None) -> Pool:
    return Pool([f"i{row}" for row in range(count)], np.array(group or range(count)), [], set())


def test_clouds_become_clusters() -> None:
    number = cluster(blobs([30, 20, 10]), 3, seed=0)
    parts = [set(part.tolist()) for part in np.split(number, [30, 50])]
    assert [len(part) for part in parts] == [1, 1, 1]
    assert len(set.union(*parts)) == 3


def test_typicality_is_the_inverse_of_the_mean_distance_to_the_nearest() -> None:
    on_a_line = np.array([[0.0], [1.0], [3.0]], np.float32)
    assert typicality(on_a_line) == pytest.approx([1 / 2, 1 / 1.5, 1 / 2.5])


def test_the_middle_of_a_cluster_comes_first_and_its_rim_last() -> None:
    x = np.concatenate([blobs([60]), [[9.0, 9, 9, 9]]]).astype(np.float32)
    order, score = typical_first(x, np.arange(61))
    assert order[-1] == 60
    assert np.linalg.norm(x[order[:5]], axis=1).mean() < np.linalg.norm(x[order[-20:]], axis=1).mean()
    assert (np.diff(score) <= 0).all()
    assert [part.tolist() for part in typical_first(x, np.array([7]))] == [[7], [0.0]]


def test_of_a_large_cluster_only_the_inner_part_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssgan.selection.clusters.LARGEST", 10)
    order, _ = typical_first(blobs([60]), np.arange(60))
    assert len(order) == 10


def test_each_round_takes_one_of_every_cluster_the_largest_first() -> None:
    x, number = blobs([30, 20, 10]), np.repeat([0, 1, 2], [30, 20, 10])
    picks = most_typical(pool(60), x, number, np.zeros(60, bool), 7)
    assert [pick.cluster for pick in picks] == [1, 2, 3, 1, 2, 3, 1]
    assert [int(number[int(pick.sha256[1:])]) for pick in picks] == [0, 1, 2, 0, 1, 2, 0]
    assert picks[0].reason == "typical of cluster 1 (30 images), place 1"
    assert {(pick.slice, pick.predicted, pick.probability) for pick in picks} == {("typical", None, None)}


def test_a_cluster_that_has_labels_comes_last() -> None:
    labeled = np.arange(60) == 3
    assert clusters_in_order(np.repeat([0, 1, 2], [30, 20, 10]), labeled) == [1, 2, 0]


def test_near_duplicates_are_asked_for_once_and_not_at_all_if_one_is_labeled() -> None:
    x, number = blobs([20, 20]), np.repeat([0, 1], 20)
    group = [*[0] * 15, *range(15, 35), *[0] * 5]  # a burst of 20, in both clusters
    asked = {int(pick.sha256[1:]) for pick in most_typical(pool(40, group), x, number, np.zeros(40, bool), 40)}
    assert len(asked) == 21
    assert len(asked & {*range(15), *range(35, 40)}) == 1
    asked = {int(pick.sha256[1:]) for pick in most_typical(pool(40, group), x, number, np.arange(40) == 37, 40)}
    assert asked == set(range(15, 35))


def test_a_burst_does_not_look_typical() -> None:
    x = blobs([40])
    x[:10] = x[0] + 4  # ten equal images at the rim
    group = [*[0] * 10, *range(10, 40)]
    first, *_ = most_typical(pool(40, group), x, np.zeros(40, np.int64), np.zeros(40, bool), 5)
    assert int(first.sha256[1:]) >= 10


class Vectors:
    """Features of images whose ids are i0, i1, ...: clouds."""

    def read(self, ids: list[str], views: int | None = None) -> npt.NDArray[np.float16]:
        return blobs([30, 30]).astype(np.float16)[[int(one[1:]) for one in ids]][:, None]


def chosen(rules: SelectionRules, labeled: set[str] | None = None, count: int = 60) -> Any:
    some = pool(count)._replace(reserved=["r0", "r1", "r2"])
    return select_typical(some, Vectors(), 4, labeled or set(), rules)  # type: ignore[arg-type]


def test_without_sheets_every_image_is_of_another_cluster_and_no_cluster_is_named() -> None:
    found = chosen(SelectionRules(Shares(0, 0, 0, 2, 8), 0, 4, 6.0), {"i0", "r1"})
    assert [pick.slice for pick in found.picks].count("typical") == 8
    assert {pick.cluster for pick in found.picks} == {None}
    assert {pick.sha256 for pick in found.picks if pick.slice == "held_out"} == {"r0", "r2"}
    assert "i0" not in {pick.sha256 for pick in found.picks}
    assert found.pool.size == 59
    assert [pick.rank for pick in found.picks] == list(range(1, 11))


def test_sheets_have_the_clusters_that_were_asked_for_and_half_of_the_pool_stays_unlabeled() -> None:
    found = chosen(SelectionRules(Shares(0, 0, 0, 0, 50), 0, 4, 6.0, 5))
    assert len(found.picks) == 30
    assert {pick.cluster for pick in found.picks} == {1, 2, 3, 4, 5}
    assert chosen(SelectionRules(Shares(0, 0, 0, 0, 50), 0, 4, 6.0, 5)) == found


def test_a_pool_in_which_everything_is_labeled_says_so() -> None:
    with pytest.raises(DataError, match="0 images without a label can be trained on: too few"):
        chosen(SelectionRules(Shares(0, 0, 0, 0, 8), 0, 4, 6.0), {f"i{row}" for row in range(60)})


def test_images_of_val_and_test_are_the_same_as_those_of_a_split(tmp_path: Path) -> None:
    images = [
        *images_of({"a": 40, "b": 20, None: 60}),
        *(Image(f"twin{i}", None, seed=int(Image(f"a-{i}", "a").id[:8], 16)) for i in range(9)),
    ]
    project = Project(tmp_path).images(images)
    project.split(mode="team")
    (tmp_path / "duplicates.parquet").unlink(missing_ok=True)
    project.copies([])
    found = read_pool(tmp_path, SplitConfig(mode="team"))
    assert set(found.ids) == project.ids("labeled") | project.ids("unlabeled")
    assert set(found.in_folders) == {image.id for image in images if image.folder_class}
    assert not set(found.ids) & set(found.reserved)
    assert len(found.ids) + len(found.reserved) == len(images)
    assert not list(tmp_path.glob("tmp*"))
