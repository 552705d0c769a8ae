"""Ends a training process whose step hangs, after reporting where: a hang must not look like work."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

HUNG = 75  # exit code, as EX_TEMPFAIL: trying again may help
GRACE_S = 5.0  # the other ranks wait for the one that hangs: time for their stacks to be reported too


class Watchdog:
    """A thread that expects ``heartbeat`` at least every ``timeout_s`` seconds.

    Args:
        timeout_s: longest time between two heartbeats, and from the start to the first.
        tell: is given the stacks of all threads of this process before it ends.
        end: ends the process; only tests have another one.
    """

    def __init__(self, timeout_s: float, tell: Callable[[str], None], end: Callable[[int], object] = os._exit) -> None:
        self._timeout_s, self._tell, self._end = timeout_s, tell, end
        self._last = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ssgan-watchdog", daemon=True)
        self._thread.start()

    def heartbeat(self) -> None:
        """A step is done."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """The training is over."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._timeout_s / 4)):
            if time.monotonic() - self._last > self._timeout_s:
                self._tell(stacks())
                time.sleep(min(GRACE_S, self._timeout_s))
                self._end(HUNG)
                return


def stacks() -> str:
    """Where every thread of this process is, the main thread first; of each, the innermost calls last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    main = threading.main_thread().ident
    frames = sorted(sys._current_frames().items(), key=lambda item: (item[0] != main, item[0]))
    parts = [f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in frames]
    return f"process {os.getpid()} on {socket.gethostname()}\n" + "\n".join(parts)
