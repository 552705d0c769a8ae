"""One writer per run, whichever machine it is on: a lease in storage that is renewed, runs out, and is checked before a write.

A claim is a small object ``checkpoints/NAME/lock/NUMBER.json``; the one with the highest number holds. It is made by a
conditional write, so of all that want the same number one gets it, and its holder alone rewrites it, to renew or to release it.
A successor takes the next number and removes the ones before; the highest is never removed, so that a process that was paused
sees that it is no longer its own. No clock is compared with another machine's: a claim has run out when it did not change for
the length of its lease on the clock of whoever watches it (decision 0025).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from ssgan.errors import HeldError, StorageError, UnusableError
from ssgan.storage.manifest import Entry
from ssgan.storage.retries import Patience, RetryLimits
from ssgan.storage.store import PROBE_LIMITS, Objects, Store, open_store
from ssgan.storage.write_once import OnceStore

log = logging.getLogger("ssgan.storage")

LEASE_S = 60.0  # longer than a process is silent that lives; a machine that died blocks for this long
RENEWALS = 4  # in the length of a lease
FORMAT = 1
JOIN_S = 5.0  # for a renewal that is under way
LOOKS = 5  # at a claim that is replaced while it is read


@dataclass(frozen=True)
class Claim:
    """Who holds a run. ``machine`` tells boots and containers of one name apart; empty where the system has no such id."""

    token: str
    lease_s: float
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    machine: str = field(default_factory=lambda: machine())
    since: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    renewed: int = 0
    released: bool = False
    format: int = FORMAT

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    def dump(self) -> bytes:
        """The bytes of its object."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @property
    def dead(self) -> bool:
        """Whether its process is known to be gone: only that of this very machine can be looked for."""
        return bool(self.machine) and self.machine == machine() and not _runs(self.pid)


class Claims(OnceStore):
    """The claims of one run. Below ``checkpoints/``: there training may remove objects, and lifecycle rules clean up."""

    def __init__(self, objects: Objects, limits: RetryLimits, name: str) -> None:
        super().__init__(objects, limits)
        self.name, self._prefix = name, f"checkpoints/{name}/lock"

    def newest(self) -> tuple[int, Claim | None]:
        """The claim that holds, and its number; 0 and None where there never was one."""
        for _ in range(LOOKS):
            number = max(self._numbers(), default=0)
            if not number:
                return 0, None
            with contextlib.suppress(UnusableError):  # a successor has removed it meanwhile
                return number, Claim(**json.loads(self.read(self._object(number))))
        raise StorageError(f"{self.objects.url}: the lock of {self.name} changes all the time; run the same command again")

    def make(self, number: int, claim: Claim) -> bool:
        """Whether the claim with this number is ours. It is read back, for some servers ignore the condition."""
        try:
            return self.create(self._object(number), claim.dump()) and self.read(self._object(number)) == claim.dump()
        except UnusableError:  # a successor has removed it meanwhile
            return False

    def rewrite(self, number: int, claim: Claim) -> None:
        """Renew or release a claim of our own."""
        name = self._object(number)
        self._patience()(f"writing {name}", lambda: self.objects.write(name, claim.dump()), "s3:PutObject")

    def forget(self, number: int) -> None:
        """Remove the claims up to this number."""
        for old in self._numbers():
            if old <= number:
                self._remove(self._object(old), self._patience())

    def _numbers(self) -> list[int]:
        found = (re.fullmatch(r".*/(\d{8})\.json", one) for one in self.names(self._prefix))
        return [int(match[1]) for match in found if match]

    def _object(self, number: int) -> str:
        return f"{self._prefix}/{number:08d}.json"


class Guard(NamedTuple):
    """The proof of a claim, as it travels to the processes that write for its holder."""

    name: str
    number: int
    token: str

    def require(self, claims: Claims) -> None:
        """Raises HeldError unless the claim still holds."""
        number, claim = claims.newest()
        if claim is None or (number, claim.token) != (self.number, self.token):
            raise HeldError(
                f"{claims.objects.url}: {self.name} was taken over by {claim or 'another process'}, because this process or "
                "its connection to storage was silent for too long; it has written nothing since: let the other one finish, "
                "or end it, then run the same command again"
            )


class GuardedStore(Store):
    """A store that looks, before every object that it writes or removes, whether the claim of its process still holds."""

    def __init__(self, store: Store, guard: Guard) -> None:
        super().__init__(store.objects, store.limits)
        self._guard, self._claims = guard, Claims(store.objects, store.limits, guard.name)

    def _upload(self, local: Path, name: str, patience: Patience) -> None:
        self._guard.require(self._claims)
        super()._upload(local, name, patience)

    def _remove(self, name: str, patience: Patience) -> None:
        self._guard.require(self._claims)
        super()._remove(name, patience)

    def _check_sizes(self, key: str, entries: list[Entry], patience: Patience) -> None:
        super()._check_sizes(key, entries, patience)
        self._guard.require(self._claims)  # the manifest is next, which makes the folder visible


def guarded(store: Store, guard: Guard | None) -> Store:
    """The store as the holder of a claim may use it; as it is without a claim."""
    return GuardedStore(store, guard) if guard else store


@contextlib.contextmanager
def held(url: str, name: str, lease_s: float | None = None) -> Iterator[Guard]:
    """Hold a run in storage; a thread renews the lease (default LEASE_S), and the end of the block releases it.

    Raises:
        HeldError: another process holds it and gives signs of life. One that gives none for its lease is taken over.
    """
    store = open_store(url)
    claims = Claims(store.objects, store.limits, name)
    number, claim = _acquire(claims, lease_s or LEASE_S)
    guard, over = Guard(name, number, claim.token), threading.Event()
    thread = threading.Thread(target=_renew, args=(claims, guard, claim, over), name="ssgan-lease", daemon=True)
    thread.start()
    try:
        yield guard
    finally:
        over.set()
        thread.join(timeout=JOIN_S)
        _release(Claims(store.objects, PROBE_LIMITS, name), guard, claim)


def _acquire(claims: Claims, lease_s: float) -> tuple[int, Claim]:
    """Wait until the newest claim is released or has run out, and make the next one."""
    seen: tuple[int, Claim | None] | None = None
    began = time.monotonic()
    while True:
        number, last = newest = claims.newest()
        if last is None or last.released or last.dead or (seen == newest and time.monotonic() - began >= last.lease_s):
            mine = Claim(uuid.uuid4().hex, lease_s)
            if claims.make(number + 1, mine):
                claims.forget(number)
                return number + 1, mine
            seen = None  # somebody was faster
        elif seen is None:
            log.warning(f"{claims.name} is being trained by {last}: waiting up to {last.lease_s:.0f} s for a sign of life")
            seen, began = newest, time.monotonic()
        elif seen != newest:
            raise HeldError(
                f"{claims.objects.url}: {claims.name} is being trained by {last}; wait until it has ended, or end it there by "
                "Ctrl-C and run the same command again: it resumes from the last checkpoint"
            )
        else:
            time.sleep(last.lease_s / RENEWALS / 4)


def _renew(claims: Claims, guard: Guard, claim: Claim, over: threading.Event) -> None:
    """Rewrite our claim until it is over. Nothing is raised here: whatever happened, each write looks again."""
    while not over.wait(claim.lease_s / RENEWALS):
        claim = replace(claim, renewed=claim.renewed + 1)
        with contextlib.suppress(StorageError):
            guard.require(claims)
            if not over.is_set():
                claims.rewrite(guard.number, claim)


def _release(claims: Claims, guard: Guard, claim: Claim) -> None:
    """Say that nobody holds it. Where that fails the lease runs out by itself."""
    with contextlib.suppress(StorageError):
        guard.require(claims)
        claims.rewrite(guard.number, replace(claim, released=True))


def machine() -> str:
    """This boot of this machine, and this container on it; empty where the system does not say."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
