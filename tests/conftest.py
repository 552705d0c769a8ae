"""Fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from infra.cluster.cable import Cable, CableError
from ssgan.cluster.connection import set_environment
from ssgan.data.files import SplitFiles
from tests.support.data import write_splits
from tests.support.ray_cluster import _ray_nodes, ray_nodes
from tests.support.trained_project import train_project

__all__ = ["_ray_nodes", "ray_nodes"]  # fixtures

set_environment()  # before any module of tests imports Ray, which reads some of it only then
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # shells make background jobs deaf to Ctrl-C, and their children too
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow files begin first, or one process would run them when the others are done; those that share a Ray cluster come
    last, for it would take time from the cluster of tests/on_cluster while that is up."""
    if hasattr(config, "workerinput"):  # one of several processes
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)
    items.sort(key=lambda item: "ray_nodes" in getattr(item, "fixturenames", []))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors are fastest on one thread, and bits do not depend on the machine's cores then."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> SplitFiles:
    """A small data set of three classes, 8x8 grey."""
    return write_splits(tmp_path_factory.mktemp("splits"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project in which all stages have run. Read only."""
    folder = tmp_path_factory.mktemp("trained")
    train_project(folder)
    return folder


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A network namespace at the end of a cable; skips where kernel, rights or `ip` are missing."""
    try:
        laid = Cable()
    except CableError as error:
        pytest.skip(f"no network namespace here: {error}")
    with laid:
        yield laid
