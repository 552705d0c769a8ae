"""Is every node what the driver is? With a Ray that is played; tests/on_cluster asks real nodes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray.exceptions

from ssgan.cluster.versions import other_versions, require_nodes, versions
from ssgan.errors import TrainingError


def id_of(name: str) -> str:
    return name[0] * 56


class Cluster:
    """The driver's node, and others by what they answer: versions, or an error."""

    exceptions = ray.exceptions

    def __init__(self, **answers: dict[str, str] | Exception) -> None:
        self.answers = answers
        self.alive = {"driver", *answers}
        self.asked: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        every = ["driver", *self.answers]
        return [{"NodeID": id_of(n), "NodeName": n, "NodeManagerHostname": "host", "Alive": n in self.alive} for n in every]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: id_of("driver"))

    def remote(self, **resources: Any) -> Any:
        assert resources["num_cpus"] == 0, "the nodes may be full"
        return lambda function: self

    def options(self, scheduling_strategy: Any) -> Any:
        assert scheduling_strategy.soft is False
        name = scheduling_strategy.node_id[0]
        self.asked.append(name)
        return SimpleNamespace(remote=lambda: name)

    def get(self, node: str, timeout: float) -> dict[str, str]:
        answer = self.answers[node]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_equal_nodes_pass_and_the_driver_does_not_ask_itself() -> None:
    cluster = Cluster(a=versions(), b=versions())
    require_nodes(cluster)
    assert cluster.asked == ["a", "b"]
    require_nodes(Cluster())


def test_every_node_that_differs_is_named_with_every_difference() -> None:
    cluster = Cluster(a=versions() | {"torch": "1", "python": "2.7"}, b=versions(), c=versions() | {"ray": "not installed"})
    mine = versions()
    with pytest.raises(TrainingError) as caught:
        require_nodes(cluster)
    assert str(caught.value) == (
        f"node a (host) has python 2.7 instead of {mine['python']}, torch 1 instead of {mine['torch']}; "
        f"node c (host) has ray not installed instead of {mine['ray']} (compared with the driver of the run); "
        "use the same image on all nodes and here"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ray.exceptions.GetTimeoutError("x"), r"node a \(host\) did not report its versions within 300 s"),
        (
            ray.exceptions.RayError("traceback\nModuleNotFoundError: pydantic"),
            "cannot run the code .*: ModuleNotFoundError: pyd",
        ),
    ],
)
def test_a_node_that_does_not_answer_is_named_unless_it_is_gone(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(a=error, b=versions())
    with pytest.raises(TrainingError, match=said):
        require_nodes(cluster)
    gone = Cluster(a=error, b=versions())

    def get(node: str, timeout: float) -> dict[str, str]:
        gone.alive.discard("a")
        return Cluster.get(gone, node, timeout)

    monkeypatch.setattr(gone, "get", get)
    require_nodes(gone)


def test_a_package_that_is_missing_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssgan.cluster.versions.PACKAGES", ("ssgan", "no-such-package"))
    assert versions()["no-such-package"] == "not installed"
    assert other_versions({"a": "1"}, {}) == "a 1 instead of None"
