"""A network of its own for a node, at the end of a cable that can be pulled: a network namespace of Linux and a veth pair.

    with Cable() as cable:
        subprocess.Popen([*cable.inside, "python", ...])  # its address is cable.far, this machine's is cable.near
        cable.pull()  # nothing gets through, and nobody is told
        cable.plug()

It needs Linux, the rights of root, and the command ``ip`` of iproute2; ``CableError`` says what is missing. Nothing but this
machine can be reached through it: there is no route any farther.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import secrets
import shutil
import subprocess
from contextlib import suppress
from typing import Self

# For tests between networks (RFC 2544): nobody routes it, and hardly anybody uses it at home.
RANGE = ipaddress.IPv4Network("198.18.0.0/15")
NOBODY = "02:00:00:00:00:00"  # a hardware address that neither end has


class CableError(RuntimeError):
    """There can be no namespace here; says why."""


class Cable:
    """Laid when it is made, until ``close``. End what runs inside before that."""

    def __init__(self) -> None:
        if missing := missing_tools():
            raise CableError(f"not found: {', '.join(missing)}; install iproute2 and util-linux (Linux only)")
        if os.geteuid() != 0:
            raise CableError("a network namespace needs the rights of root")
        near, far = free_network(routes()).hosts()
        self.near, self.far = str(near), str(far)
        # One name for the namespace and for both ends: libraries that are told an interface by name find it on either side.
        self.name = f"cable-{secrets.token_hex(3)}"
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}", "--"]  # unlike `ip netns exec` it leaves /sys as it is
        try:
            self._lay()
        except BaseException:
            self.close()
            raise

    def _lay(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", self.name, "netns", self.name)
        for prefix, address in (([], self.near), (self.inside, self.far)):
            run(*prefix, "ip", "addr", "add", f"{address}/30", "dev", self.name)
            run(*prefix, "ip", "link", "set", self.name, "up")
        run(*self.inside, "ip", "link", "set", "lo", "up")

    def pull(self) -> None:
        """From now on packets are lost on their way, in both directions, without a word.

        Both ends send to a hardware address that nobody has. An interface that is set down would not be silent: its
        routes vanish, and what is sent takes another way, or is refused at once.
        """
        for prefix, other in (([], self.far), (self.inside, self.near)):
            run(*prefix, "ip", "neigh", "replace", other, "lladdr", NOBODY, "nud", "permanent", "dev", self.name)

    def plug(self) -> None:
        """Let packets through again; also where they were not held up."""
        for prefix, other in (([], self.far), (self.inside, self.near)):
            run(*prefix, "ip", "neigh", "flush", "to", other, "dev", self.name, "nud", "permanent")

    def close(self) -> None:
        """Take both ends and the namespace away; again does no harm."""
        for thing in ("link", "netns"):  # the link first: with the namespace it would go, but some time later
            with suppress(CableError):
                run("ip", thing, "del", self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def missing_tools() -> list[str]:
    """Commands that are needed and not here."""
    return [name for name in ("ip", "nsenter") if shutil.which(name) is None]


def routes() -> list[ipaddress.IPv4Network]:
    """Networks that this machine knows a way to, its own addresses included; not the default route."""
    known = json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]")
    return [ipaddress.IPv4Network(route["dst"]) for route in known if route["dst"] != "default"]


def free_network(taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """A network for two that overlaps with none of ``taken``. Raises CableError if there is hardly any."""
    for _ in range(100):
        found = ipaddress.IPv4Network((int(RANGE[0]) + 4 * random.randrange(RANGE.num_addresses // 4), 30))
        if not any(found.overlaps(other) for other in taken):
            return found
    raise CableError(f"this machine has routes to all of {RANGE}")


def run(*command: str) -> str:
    """Output of a command. Raises CableError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CableError(f"`{' '.join(command)}`: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
