"""One cluster for all tests of this folder, and a fresh project for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support import clock
from tests.support.data import final_weights, write_splits
from tests.support.ranks import run_ranks
from tests.support.submitter import Project
from tests.support.two_workers import train_on_rank
from tests.support.world import World


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the failures of these tests cost."""
    for line in clock.LINES:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture(scope="package")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of ``TWO`` where nothing happens: two plain processes, left alone."""
    folder = tmp_path_factory.mktemp("plain")
    splits = write_splits(folder / "splits")
    run_ranks(train_on_rank, 2, folder, splits.root, str(folder / "storage"))
    return final_weights(folder / "storage")


@pytest.fixture(scope="package")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("cluster"))
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def world(everything: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The cluster with both nodes; this process may use its storage."""
    everything.heal()
    for name, value in everything.keys.items():
        monkeypatch.setenv(name, value)
    return everything


@pytest.fixture
def project(world: World, tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    yield Project(folder, world)
    shutil.rmtree(folder, ignore_errors=True)
