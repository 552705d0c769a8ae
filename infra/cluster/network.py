"""Machines of their own for nodes: Linux network namespaces with addresses and cables that can be pulled. Needs root.

A bridge stands for the switch; this machine itself hangs on it, as the head's. Files and processes stay those of this machine.

    with Network() as network:
        network.plug("worker-1")    # its address
        network.cut("worker-1")     # nothing comes through, and nobody is told
"""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import suppress
from typing import Self

INTERFACE = "eth0"  # of a machine, in its namespace


class NetworkError(RuntimeError):
    """The system does not let us make a network: no ``ip``, no rights, or no namespaces."""


class Network:
    """A bridge with machines on it, in a subnet that is reserved for tests of networks (RFC 2544)."""

    def __init__(self) -> None:
        number = random.randrange(1, 255)
        # The names of interfaces have at most 15 characters.
        self.bridge, self._subnet = f"ssgan{os.getpid() % 10**6}", f"198.18.{number}"
        self._machines: dict[str, int] = {}

    @property
    def address(self) -> str:
        """Of this machine."""
        return f"{self._subnet}.1"

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self.bridge, "type", "bridge")
            _ip("addr", "add", f"{self.address}/24", "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")
        except NetworkError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plug(self, name: str) -> str:
        """Make a machine and plug it in. Returns its address."""
        self._machines[name] = number = len(self._machines) + 2
        space, cable = self._space(name), self._cable(name)
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", INTERFACE, "netns", space)
        _ip("-n", space, "addr", "add", f"{self._subnet}.{number}/24", "dev", INTERFACE)
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "link", "set", INTERFACE, "up")
        _ip("link", "set", cable, "master", self.bridge, "up")
        return f"{self._subnet}.{number}"

    def on(self, name: str) -> list[str]:
        """What a command has to begin with to run on a machine. Its process becomes the command's."""
        return ["ip", "netns", "exec", self._space(name)]

    def cut(self, name: str) -> None:
        """Pull the cable of a machine."""
        _ip("link", "set", self._cable(name), "down")

    def mend(self, name: str) -> None:
        """Plug the cable in again."""
        _ip("link", "set", self._cable(name), "up")

    def close(self) -> None:
        """Remove all of it; a namespace takes its end of the cable along."""
        for name in self._machines:
            with suppress(NetworkError):
                _ip("link", "del", self._cable(name))
            with suppress(NetworkError):
                _ip("netns", "del", self._space(name))
        self._machines.clear()
        with suppress(NetworkError):
            _ip("link", "del", self.bridge)

    def _space(self, name: str) -> str:
        return f"{self.bridge}-{name}"

    def _cable(self, name: str) -> str:
        return f"{self.bridge}-{self._machines[name]}"


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NetworkError("there is no command `ip` (iproute2)") from None
    except subprocess.CalledProcessError as error:
        raise NetworkError(f"ip {' '.join(arguments)}: {error.stderr.strip()}") from None
