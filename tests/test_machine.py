"""What this machine gives: freed memory stays for the next step, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

STEP = """
import resource, numpy as np
from ssgan.machine import keep_freed_memory
done = {} and keep_freed_memory()
def step():
    for megabytes in (8, 40, 80):
        np.ones(megabytes << 17)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool, **environment: str) -> tuple[bool, int]:
    """Of a second step that allocates 128 MB in a fresh process: whether memory is kept, and the pages that were cleared."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", STEP.format(keep)]
    done, count = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True).stdout.split()
    return done == "True", int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_is_kept_is_not_cleared_again() -> None:
    kept, few = faults(True)
    _, many = faults(False)
    assert kept
    assert few < 100 < many


def test_the_user_may_set_the_allocator() -> None:
    assert not faults(True, MALLOC_TRIM_THRESHOLD_="131072")[0]
