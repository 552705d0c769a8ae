"""How Ray behaves where ssgan uses it: token authentication, no usage statistics, a quiet terminal."""

from __future__ import annotations

import os

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_DEDUP_LOGS": "0",
}


def set_environment() -> None:
    """Set what the user has not set. To be called before Ray is first imported: it reads some of it only then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
