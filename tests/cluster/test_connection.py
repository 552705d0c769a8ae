"""Ctrl-C ends a command even where Ray does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HANGS = """
import time
def init(**settings): pass
def shutdown(): time.sleep(1000)
"""
INTERRUPTED = """
from ssgan.cluster import connection as ray_connection
ray_connection.SHUTDOWN_SECONDS = 0.2
with ray_connection.connected():
    raise KeyboardInterrupt
"""


def test_a_ray_that_does_not_end_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text(HANGS)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){INTERRUPTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
