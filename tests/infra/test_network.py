"""A network of namespaces: what is plugged in answers, what is cut off does not, and nothing stays behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from infra.cluster.network import Network, NetworkError

CALL = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()"


def names() -> str:
    """All namespaces and interfaces of this machine."""
    return "".join(subprocess.run(["ip", *what], capture_output=True, text=True).stdout for what in (["netns"], ["link"]))


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        network = Network().__enter__()
    except NetworkError as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield network
    network.close()


def reaches(network: Network, name: str, server: socket.socket) -> bool:
    """Can a process on that machine connect to a server on this one?"""
    host, port = server.getsockname()
    return subprocess.run([*network.on(name), sys.executable, "-c", CALL, host, str(port)], capture_output=True).returncode == 0


def test_a_cable_can_be_pulled_and_plugged_in_again(network: Network) -> None:
    addresses = [network.plug("worker-1"), network.plug("worker-2")]
    assert len({network.address, *addresses}) == 3
    with socket.create_server((network.address, 0)) as server:
        assert reaches(network, "worker-1", server)
        network.cut("worker-1")
        assert not reaches(network, "worker-1", server)
        assert reaches(network, "worker-2", server), "only one cable was pulled"
        network.mend("worker-1")
        assert reaches(network, "worker-1", server)


def test_nothing_stays_behind(network: Network) -> None:
    network.plug("worker-1")
    assert network.bridge in names()
    network.close()
    assert network.bridge not in names()
