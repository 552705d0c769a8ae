"""Room on a cluster: workers lie on one node each; what does not fit is said at once."""

from __future__ import annotations

from typing import Any

import pytest

from ssgan.config import TrainConfig
from ssgan.errors import TrainingError
from ssgan.runtime.ray_resources import resources


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
