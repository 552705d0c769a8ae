"""One Ray cluster for all tests of a session that need one: a head and a worker, each with a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.cluster.nodes import Nodes, local_cluster

WORKER = "worker-1"


@pytest.fixture(scope="session")
def _ray_nodes() -> Iterator[Nodes]:
    # Ray's own niceness of 15 starves its workers where the machine has other things to do.
    with local_cluster(environment={"RAY_worker_niceness": "0"}) as nodes:
        yield nodes


@pytest.fixture
def ray_nodes(_ray_nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Both nodes, whatever the last test has killed; RAY_ADDRESS leads there."""
    if WORKER not in _ray_nodes.processes:
        _ray_nodes.add_worker(WORKER)
        _ray_nodes.wait(2)
    monkeypatch.setenv("RAY_ADDRESS", _ray_nodes.ray_address)
    return _ray_nodes
