"""Ctrl-C ends a command even where Ray does not."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ssgan.cluster.connection import connected

HANGS = """
import time
def init(address, **settings): pass
def shutdown(): time.sleep(1000)
"""
INTERRUPTED = """
from ssgan.cluster import connection as ray_connection
ray_connection.SHUTDOWN_SECONDS = 0.2
with ray_connection.connected():
    raise KeyboardInterrupt
"""


def test_a_ray_that_does_not_end_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "ray/_private").mkdir(parents=True)
    (tmp_path / "ray/__init__.py").write_text(HANGS)
    (tmp_path / "ray/_private/parameter.py").write_text("RayParams = dict\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){INTERRUPTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.ray
@pytest.mark.timeout(120)
def test_a_local_ray_starts_no_process_that_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with connected() as ray:
        assert ray.is_initialized()
        started = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        commands = [" ".join(process.cmdline()) for process in started]
    assert any("raylet" in command for command in commands)
    unwanted = ("autoscaler/_private/monitor.py", "log_monitor.py", "ray-dashboard-")
    assert [command for command in commands if any(name in command for name in unwanted)] == []
    importlib.import_module("ray.dashboard.optional_deps")  # hidden for the start only: a client of jobs may need it
