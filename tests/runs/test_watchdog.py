"""A hang is told with its place and ended; work is left alone."""

from __future__ import annotations

import threading
import time

import pytest

from ssgan.runs.watchdog import HUNG, Watchdog, stacks

pytestmark = pytest.mark.exclusive


def test_a_step_that_hangs_is_told_and_ended() -> None:
    told: list[str] = []
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    def hang_here() -> None:
        ended.wait(20)

    Watchdog(0.2, told.append, end)
    hang_here()
    assert codes == [HUNG]
    assert "hang_here" in told[0]
    assert "thread MainThread" in told[0]


def test_beats_keep_it_quiet() -> None:
    told: list[str] = []
    watchdog = Watchdog(0.5, told.append, lambda code: told.append(f"ended with {code}"))
    for _ in range(12):
        time.sleep(0.1)
        watchdog.heartbeat()
    watchdog.stop()
    assert told == []


def test_the_main_thread_comes_first() -> None:
    waiting = threading.Event()
    other = threading.Thread(target=waiting.wait, name="another-one")
    other.start()
    text = stacks()
    waiting.set()
    other.join()
    assert text.index("thread MainThread") < text.index("thread another-one")


@pytest.mark.parametrize("moment", ["before the first heartbeat", "after a heartbeat"])
def test_the_clock_runs_from_the_start_and_from_each_beat(moment: str) -> None:
    ended = threading.Event()
    watchdog = Watchdog(0.2, lambda text: None, lambda code: ended.set())
    if moment == "after a heartbeat":
        watchdog.heartbeat()
    assert ended.wait(20)
