"""The way into Ray: the cluster at RAY_ADDRESS, or a local Ray that starts and ends with the work."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ssgan.errors import Exit, TrainingError

CONNECT_SECONDS = 5.0
SHUTDOWN_SECONDS = 30.0  # that Ray may take to shut down after Ctrl-C; mostly it takes three
OBJECT_STORE_BYTES = 200 << 20  # nothing large goes through it when training
SERVICES = "ray.dashboard.optional_deps"  # what Ray tries to import to see whether it has its extra `default`

# How Ray behaves where ssgan uses it: token authentication, no usage statistics, a quiet terminal.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's tables; ssgan prints its own progress
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # files that no one reads
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a command with code 130 and one sentence
}


def set_environment() -> None:
    """Set what the user has not set. To be called before Ray is first imported: it reads some of it only then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def connected(object_store_bytes: int = OBJECT_STORE_BYTES) -> Iterator[Any]:
    """Ray, connected: to the cluster at RAY_ADDRESS, else to a local one of its own that ends with the block.

    Args:
        object_store_bytes: of the local Ray; a cluster has its own size.

    Raises TrainingError where no cluster answers.
    """
    set_environment()
    import logging

    import ray

    # Not "auto": a bare ray.init() hangs when an earlier head died uncleanly.
    address = os.environ.get("RAY_ADDRESS") or "local"
    _require_reachable(address)
    on_term = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            with minimal():
                ray.init(address, object_store_memory=object_store_bytes, include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
    except ConnectionError as error:
        raise TrainingError(
            f"RAY_ADDRESS is {address!r}, but no Ray cluster answers there ({error}); start it or unset it"
        ) from None
    if callable(on_term) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray put its own there, which dumps a C++ stack and aborts
    try:
        yield ray
    except KeyboardInterrupt:
        _exit_after_timeout()
        raise
    finally:
        ray.shutdown()


@contextlib.contextmanager
def minimal() -> Iterator[None]:
    """A Ray that starts inside has no autoscaler, nothing that sends logs to the driver, and no service of the dashboard.

    Nobody would ask them, and the first worker waits for most of them. Ray runs so where it is installed without its extra
    ``default``; ``ray start`` has options for the first two, ``ray.init`` has none.
    """
    from ray._private import parameter

    original = parameter.RayParams
    parameter.RayParams = functools.partial(original, no_monitor=True, include_log_monitor=False)
    sys.modules[SERVICES] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        parameter.RayParams = original
        del sys.modules[SERVICES]


def on_node(node_id: str) -> Any:
    """The scheduling strategy of what must run on one node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _exit_after_timeout() -> None:
    """Once interrupted, a Ray that does not shut down in time is left behind; its processes end with this one."""

    def exit_now() -> None:
        sys.stderr.write("interrupted\n")
        sys.stderr.flush()
        os._exit(Exit.INTERRUPTED)

    timer = threading.Timer(SHUTDOWN_SECONDS, exit_now)
    timer.daemon = True
    timer.start()


def _require_reachable(address: str) -> None:
    """Ray itself tries for minutes before it reports that nothing answers."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise TrainingError(
            f"RAY_ADDRESS is {address!r}, but nothing answers there ({error}); start that cluster, or unset it to use this "
            "machine"
        ) from None
