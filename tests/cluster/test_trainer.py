"""Ctrl-C ends a controller that runs in the driver, also where Ray Train took it for a failure of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ssgan.cluster.trainer import Controller, noting_signals


def test_a_signal_is_noted_and_does_what_it_did_before() -> None:
    controller: Any = SimpleNamespace(interrupted=False)
    with pytest.raises(KeyboardInterrupt), noting_signals(controller):
        os.kill(os.getpid(), signal.SIGINT)
    assert controller.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupted_controller_does_not_go_on() -> None:
    controller = cast(Controller, SimpleNamespace(interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(Controller._step(controller))
