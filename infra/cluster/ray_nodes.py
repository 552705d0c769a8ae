"""A Ray cluster of several nodes on one machine: separate node processes, each with its own object store and one CPU.

They share the address, the disk and the cores, so this shows logic and overhead, not networks and not scaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ssgan.cluster.connection import set_environment

STORE_BYTES = 100 << 20


@contextmanager
def local_cluster(nodes: int = 2) -> Iterator[Any]:
    """The ``Cluster``, up; its ``address`` is for RAY_ADDRESS. This process is not connected to it."""
    set_environment()
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray.cluster_utils import Cluster

    ensure_token_if_auth_enabled()  # `ray.init` makes a token where there is none, a cluster does not
    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()
