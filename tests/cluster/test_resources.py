"""Room on a cluster: workers lie on one node each; what does not fit is said at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ssgan.cluster import resources as ray_resources
from ssgan.cluster.resources import resources, wait_for_room
from ssgan.config import TrainConfig
from ssgan.errors import TrainingError


@pytest.mark.parametrize(
    ("nodes", "train", "expected"),
    [
        ([(2, 0)], {}, (2, False)),
        ([(2, 0)], {"num_workers": 2}, (1, False)),
        ([(1, 0), (1, 0)], {}, (1, False)),  # not 2: no node has them
        ([(1, 0), (1, 0)], {"num_workers": 2}, (1, False)),
        ([(8, 0), (3, 0)], {"num_workers": 3}, (3, False)),  # two on the large node, one on the small one
        ([(8, 0), (8, 0)], {"cpus_per_worker": 2}, (2, False)),
        ([(8, 2), (8, 2)], {"num_workers": 4}, (4, True)),
        ([(8, 2), (8, 2)], {"num_workers": 4, "device": "cpu"}, (4, False)),
        ([(16, 0), (4, 1)], {"device": "cuda"}, (4, True)),  # the GPU's node counts, not the larger one
        ([(1, 0)], {"num_workers": 4, "min_workers": 1, "cpus_per_worker": 1}, (1, False)),  # enough to begin with
        ([(8, 1)], {"num_workers": 2}, (4, False)),  # auto: too few GPUs for all, so none uses one
    ],
)
def test_workers_get_what_their_nodes_have(
    nodes: list[tuple[int, int]], train: dict[str, Any], expected: tuple[int, bool]
) -> None:
    assert resources(nodes, TrainConfig(**train)) == expected


@pytest.mark.parametrize(
    ("nodes", "train", "sentence"),
    [
        (
            [(1, 0), (1, 0)],
            {"cpus_per_worker": 2},
            r"num_workers` is 1 with 2 CPUs each, .* room for 0 \(CPUs of its nodes: 1, 1\)",
        ),
        ([(2, 0)], {"num_workers": 3}, r"num_workers` is 3 with 1 CPUs each, .* room for 2 \(CPUs of its nodes: 2\)"),
        ([(4, 1), (4, 0)], {"num_workers": 2, "device": "cuda"}, r"train.device 'cuda', but the cluster has 1 GPUs"),
        ([], {}, r"CPUs of its nodes: none"),
    ],
)
def test_what_does_not_fit_is_an_error(nodes: list[tuple[int, int]], train: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        resources(nodes, TrainConfig(**train))


def test_a_cluster_that_grows_is_asked_once_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_resources, "POLL_SECONDS", 0.0)
    sizes = iter([[(1, 0)], [(1, 0), (1, 0)], [(1, 0), (1, 0), (1, 0)]])
    asked: list[list[dict[str, int]]] = []
    assert wait_for_room(lambda: next(sizes), TrainConfig(num_workers=3), 60.0, asked.append) == (1, False)
    assert asked == [[{"CPU": 1}] * 3, []], "what was asked for is let go again, or the nodes would stay for ever"


def test_a_cluster_that_does_not_grow_in_time_is_an_error_that_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_resources, "POLL_SECONDS", 0.02)
    asked: list[list[dict[str, int]]] = []
    train = TrainConfig(num_workers=2, device="cuda")
    with pytest.raises(TrainingError, match=r"the cluster has 0 GPUs"):
        wait_for_room(lambda: [(1, 0)], train, 0.1, asked.append)
    assert asked == [[{"CPU": 1, "GPU": 1}] * 2, []]


def test_without_time_to_wait_nothing_is_asked_for() -> None:
    asked: list[list[dict[str, int]]] = []
    with pytest.raises(TrainingError, match=r"raise cluster\.room_timeout_s"):
        wait_for_room(lambda: [(1, 0)], TrainConfig(num_workers=2), 0.0, asked.append)
    assert not asked


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ({"num_workers": 1, "min_workers": 2, "cpus_per_worker": 1}, "min_workers is 2, above num_workers 1"),
        ({"num_workers": 2, "min_workers": 1}, "min_workers needs cpus_per_worker as well"),
    ],
)
def test_a_range_of_workers_has_to_make_sense(train: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        TrainConfig(**train)
