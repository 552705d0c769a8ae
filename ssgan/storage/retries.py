"""How long requests are retried when storage fails, and what is reported about it.

Every failure gets a verdict: how often it may happen before we stop, why, and what the reader can do. Transient failures
are retried with growing, jittered pauses, each reported in plain words; the rest becomes a StorageError at once.

Patience is what one operation, such as a whole ``put``, may spend on failed attempts and pauses, over all its requests.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import RetryCallState, Retrying

from ssgan.errors import StorageError, UnusableError

log = logging.getLogger("ssgan.storage")

T = TypeVar("T")

ALWAYS = 1_000_000  # "as often as the limits allow"


@dataclass(frozen=True)
class RetryLimits:
    """How long one operation (a whole ``put``, ``get``, ...) retries before it raises StorageError.

    Only failed attempts and pauses count against ``patience_s``: a large upload that makes progress may take as long as it
    needs. With the defaults S3 may be gone for about a minute.
    """

    patience_s: float = 120.0  # failed attempts + pauses of one operation
    attempts: int = 12  # of one request
    first_wait_s: float = 0.5  # doubles with every attempt, +-25 % jitter
    longest_wait_s: float = 15.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0  # silence on a connection
    slowest_bytes_per_s: int = 64 * 1024  # a slower transfer counts as hung


@dataclass(frozen=True)
class FaultVerdict:
    """What a failure means: ``reason`` and ``remedy`` are parts of a sentence; ``{needs}`` stands for the permission."""

    reason: str
    remedy: str
    allowed: int = ALWAYS  # how many failures of this kind one request survives; 0: permanent
    kind: str = "transient"


class DamagedError(Exception):
    """What arrived is not what was stored."""


class MissingError(Exception):
    """There is no such object: an answer, not a failure. The caller knows what it means."""


DAMAGED_ALLOWED = 3  # damage on the way heals with the next attempt; damage at rest never does
GONE_ALLOWED = 3

DISK = {
    errno.ENOSPC: ("the disk is full", "free space there"),
    errno.EDQUOT: ("the disk quota is used up", "free space there or ask for a larger quota"),
    errno.EFBIG: ("the file is larger than this file system or account allows", "raise the limit (`ulimit -f`)"),
    errno.EROFS: ("the file system is read-only", "point `storage.url` to a folder that can be written"),
    errno.EACCES: ("this account may not do that", "change the folder's permissions or `storage.url`"),
    errno.EPERM: ("this account may not do that", "change the folder's permissions or `storage.url`"),
    errno.ENOTDIR: ("a part of the path is a file", "change `storage.url`"),
    errno.ENAMETOOLONG: ("the path is too long", "use a shorter `storage.url`"),
}
TRANSIENT = {
    errno.EIO,
    errno.ESTALE,
    errno.EAGAIN,
    errno.EINTR,
    errno.ETIMEDOUT,
    errno.EBUSY,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}


def judge_local(error: BaseException) -> FaultVerdict | None:
    """Verdict on a failure of the local file system; None for what is no failure of storage (a bug)."""
    if isinstance(error, DamagedError):
        return FaultVerdict(str(error), "delete that folder, the copy in storage is damaged", DAMAGED_ALLOWED, "damaged")
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOENT:  # the folder went while we wrote into it: a cleaner, or a mount that came late
        return FaultVerdict("the folder was removed meanwhile", "find out who cleans up there", GONE_ALLOWED, "gone")
    if error.errno in TRANSIENT:
        return FaultVerdict(f"the file system does not answer properly ({error.strerror})", "check the disk or network mount")
    reason, remedy = DISK.get(error.errno or 0, (str(error), "check `storage.url`"))
    return FaultVerdict(reason, remedy, allowed=0, kind="permanent")


@dataclass
class Patience:
    """Retries the requests of one operation within its limits, which all of them share.

    ``renew`` runs before a denied request is tried again: it reads the credentials anew, for they may have been rotated.
    """

    url: str
    limits: RetryLimits
    judge: Callable[[BaseException], FaultVerdict | None]
    renew: Callable[[], None] = lambda: None
    spent_s: float = field(default=0.0, init=False)

    def __call__(self, what: str, action: Callable[[], T], needs: str = "") -> T:
        """Run ``action`` until it succeeds.

        ``what`` completes "... failed" (``writing a.bin``); ``needs`` is the permission that it takes.
        Raises StorageError on a permanent failure or when the limits are reached; MissingError and bugs pass as is.
        """
        return _Request(self, what, needs).run(action)


class _Request:
    """One request of an operation: counts its failures by kind."""

    def __init__(self, patience: Patience, what: str, needs: str) -> None:
        self.patience, self.what, self.needs = patience, what, needs
        self.failures: Counter[str] = Counter()
        self.began = time.monotonic()

    def run(self, action: Callable[[], T]) -> T:
        def timed() -> T:
            self.began = time.monotonic()
            return action()

        retrying = Retrying(retry=self._judged, wait=self._pause, stop=self._enough, before_sleep=self._report, reraise=True)
        try:
            return retrying(timed)
        except Exception as error:
            verdict = self.patience.judge(error)
            if verdict is None:
                raise
            kind = UnusableError if verdict.kind == "damaged" else StorageError
            raise kind(self._message(verdict)) from error

    def _judged(self, state: RetryCallState) -> bool:
        """Is it a failure of storage that may pass?"""
        error = state.outcome.exception() if state.outcome else None
        if error is None:
            return False
        self.patience.spent_s += time.monotonic() - self.began
        verdict = self.patience.judge(error)
        if verdict is None:
            return False
        self.failures[verdict.kind] += 1
        return self.failures[verdict.kind] <= verdict.allowed

    def _pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt."""
        limits = self.patience.limits
        wait_s = min(limits.first_wait_s * 2.0 ** (state.attempt_number - 1), limits.longest_wait_s)
        return wait_s * random.uniform(0.75, 1.25)

    def _enough(self, state: RetryCallState) -> bool:
        limits = self.patience.limits
        return state.attempt_number >= limits.attempts or self.patience.spent_s + state.upcoming_sleep > limits.patience_s

    def _report(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        verdict = self.patience.judge(error) if error else None
        assert verdict is not None  # only judged failures get here
        log.warning(
            "%s, attempt %d of %d, waiting %.1f s (%s, %s)",
            verdict.reason,
            state.attempt_number + 1,
            self.patience.limits.attempts,
            state.upcoming_sleep,
            self.what,
            self.patience.url,
        )
        self.patience.spent_s += state.upcoming_sleep
        if verdict.kind in ("denied", "expired"):
            self.patience.renew()

    def _message(self, verdict: FaultVerdict) -> str:
        tries = sum(self.failures.values())
        often = f" {tries} times" if tries > 1 else ""
        remedy = verdict.remedy.replace("{needs}", self.needs or "access")
        return f"{self.patience.url}: {self.what} failed{often}: {verdict.reason}; {remedy}"
