"""How much memory a command takes with all its processes, Ray's included.

    python -m benchmarks.peak_memory dvc repro

The sum of their proportional set sizes (PSS: a page that n processes share counts as 1/n in each), looked at every 0.3 s.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psutil

EVERY_S = 0.3


def pss(process: int) -> int:
    """KiB; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def main() -> int:
    began, most, of = time.monotonic(), 0, 0
    with subprocess.Popen(sys.argv[1:]) as command:
        top = psutil.Process(command.pid)
        while command.poll() is None:
            with contextlib.suppress(psutil.Error):
                processes = [top.pid, *(child.pid for child in top.children(recursive=True))]
                total = sum(pss(process) for process in processes)
                most, of = max((most, of), (total, len(processes)))
            time.sleep(EVERY_S)
    print(f"peak {most / 1024:,.0f} MiB, in {of} processes; {time.monotonic() - began:.0f} s, code {command.returncode}")
    return command.returncode


if __name__ == "__main__":
    sys.exit(main())
