"""A network at the end of a cable: reached, silent while the cable is pulled, reached again, and gone without a trace."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cluster.cable import RANGE, Cable, CableError, free_network, routes

ECHO = """
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        while data := connection.recv(100):
            connection.sendall(data)
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)"

SAY = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'hello', (sys.argv[1], int(sys.argv[2])))"
HEAR = """
import socket, sys
ear = socket.socket(type=socket.SOCK_DGRAM)
ear.bind((sys.argv[1], 0))
ear.settimeout(2)
print(ear.getsockname()[1], flush=True)
print(ear.recv(100).decode())
"""


@pytest.fixture
def echo(cable: Cable) -> Iterator[tuple[str, int]]:
    """Address of a server at the far end that sends back what it gets."""
    process = subprocess.Popen([*cable.inside, sys.executable, "-c", ECHO, cable.far], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield cable.far, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def connect_from_inside(cable: Cable, port: int) -> str:
    """The last line that a connection from the far end to this machine says; empty: it succeeded."""
    command = [*cable.inside, sys.executable, "-c", CONNECT, cable.near, str(port)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True).stderr.strip().rpartition("\n")[2]


def test_both_ends_reach_each_other_and_nothing_else(cable: Cable, echo: tuple[str, int]) -> None:
    with socket.create_connection(echo, timeout=5) as connection:
        assert connection.getpeername()[0] == cable.far
    with socket.create_server((cable.near, 0)) as server:
        assert connect_from_inside(cable, server.getsockname()[1]) == ""
    assert (
        "Network is unreachable"
        in subprocess.run(
            [*cable.inside, sys.executable, "-c", CONNECT, "192.0.2.1", "80"], stderr=subprocess.PIPE, text=True
        ).stderr
    )


def test_a_pulled_cable_is_silent_and_loses_nothing_once_it_is_plugged_in(cable: Cable, echo: tuple[str, int]) -> None:
    with socket.create_connection(echo, timeout=5) as connection, socket.create_server((cable.near, 0)) as server:
        connection.sendall(b"before")
        assert connection.recv(100) == b"before"
        cable.pull()
        connection.settimeout(1)
        connection.sendall(b"pulled")  # the kernel takes it, as ever
        with pytest.raises(TimeoutError):
            connection.recv(100)
        with pytest.raises(TimeoutError):
            socket.create_connection(echo, timeout=1)
        assert connect_from_inside(cable, server.getsockname()[1]) == "TimeoutError: timed out"
        cable.plug()
        connection.settimeout(30)
        assert connection.recv(100) == b"pulled"
        assert connect_from_inside(cable, server.getsockname()[1]) == ""


@pytest.mark.parametrize("way", ["out", "in"])
@pytest.mark.parametrize("pulled", [False, True])
def test_each_direction_is_cut(cable: Cable, way: str, pulled: bool) -> None:
    """By datagrams: a connection would be silent already if nothing came back."""
    here, there, address = ([], cable.inside, cable.near) if way == "out" else (cable.inside, [], cable.far)
    if pulled:
        cable.pull()
    hears = [*here, sys.executable, "-c", HEAR, address]
    with subprocess.Popen(hears, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ear:
        assert ear.stdout
        subprocess.run([*there, sys.executable, "-c", SAY, address, ear.stdout.readline().strip()], check=True)
        said, complaint = ear.communicate()
    assert (said.strip(), "TimeoutError" in complaint) == (("", True) if pulled else ("hello", False))


def test_plugging_in_what_is_plugged_in_does_nothing(cable: Cable, echo: tuple[str, int]) -> None:
    cable.plug()
    cable.pull()
    cable.pull()
    cable.plug()
    cable.plug()
    socket.create_connection(echo, timeout=5).close()


def test_two_cables_are_apart_and_closing_leaves_nothing(cable: Cable) -> None:
    other = Cable()
    assert {other.near, other.far}.isdisjoint({cable.near, cable.far})
    for _ in range(2):
        other.close()
    left = subprocess.run("ip link; ip addr; ip route; ip netns", shell=True, capture_output=True, text=True, check=True).stdout
    assert other.name not in left
    assert other.near not in left
    assert cable.name in left


def test_addresses_that_are_in_use_are_not_taken() -> None:
    halves = list(RANGE.subnets(1))
    assert all(free_network([halves[0]]).subnet_of(halves[1]) for _ in range(20))
    with pytest.raises(CableError, match=re.escape(f"this machine has routes to all of {RANGE}")):
        free_network([ipaddress.IPv4Network("198.0.0.0/8")])


def test_the_own_addresses_are_in_use(cable: Cable) -> None:
    assert ipaddress.IPv4Network(f"{cable.near}/32") in routes()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; its `ip` knows no routes and may do nothing, and writes down what it was asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    refuse = 'case "$*" in *show*) ;; *) echo "Operation not permitted" >&2; exit 2;; esac'
    script = f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{refuse}\n'
    for name in ("ip", "nsenter"):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_a_missing_command_is_told_with_the_remedy(tools: Path) -> None:
    (tools / "ip").unlink()
    with pytest.raises(CableError, match="not found: ip; install iproute2"):
        Cable()


def test_it_needs_root(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CableError, match="needs the rights of root"):
        Cable()
    assert not (tools / "asked").exists()


def test_what_the_kernel_refuses_is_told_and_nothing_is_left(tools: Path) -> None:
    with pytest.raises(CableError, match=r"`ip netns add cable-\w+`: Operation not permitted"):
        Cable()
    asked = (tools / "asked").read_text().splitlines()
    assert [line.rsplit(" ", 1)[0] for line in asked[-2:]] == ["link del", "netns del"]
