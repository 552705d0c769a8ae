"""What this machine gives to this process."""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc
OWN_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def cores() -> int:
    """Cores that this process may use; containers and batch systems often grant fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Freed memory stays with this process, for its next allocation: a step of training needs again what the last one did.

    glibc gives large blocks back at once, and the kernel clears every page of the next ones: a fifth of a step of `compact`
    at 64x64 (docs/results/log/2026-12-01-speed-on-a-cpu.md). Returns whether it is done; not where the user's environment
    sets glibc's allocator, nor with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or any(name in os.environ for name in OWN_CHOICE):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, -1) and mallopt(M_MMAP_MAX, 0))
