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
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's tables; what there is to say, we say
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # files that nobody reads
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a command with code 130 and one sentence
}


def set_environment() -> None:
    """Set what the user has not set. To be called before Ray is first imported: it reads some of it only then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
