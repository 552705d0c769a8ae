"""What a training and its surroundings know of each other. Without torch: what only passes it on starts in half the time.

The engine does not know whether it runs in a plain process or in a worker of Ray, nor whether a folder of this machine or S3
lies behind its store (``ssgan/storage``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ssgan.provenance import ids_sha256

if TYPE_CHECKING:
    import torch

    from ssgan.config import Config
    from ssgan.data.files import SplitFiles
    from ssgan.training.history import Record

Role = Literal["main", "twin", "auto"]
TWIN, PROBE, AUTO = "supervised", "linear_probe", "auto"  # methods: the twin on pixels, that on features, and the choice there


class FolderStore(Protocol):
    """Keeps folders of files under keys such as ``checkpoints/RUN/main/step-00001000``.

    A folder is written files first, then its manifest (name, size and sha256 of every file) as the last object, so a folder
    is either complete or does not exist for ``get`` and ``keys``.
    """

    def put(self, local: Path, key: str) -> None:
        """Store all files of ``local`` (recursively) under ``key``; an older folder there is replaced.

        Transient faults are retried with bounded back-off. Raises StorageError with the reason when that is not enough.
        """
        ...

    def get(self, key: str, local: Path) -> None:
        """Fetch a complete folder into ``local`` (created; must be empty) and check every sha256.

        A file that arrives damaged is fetched again. Raises UnusableError when the folder does not exist, is incomplete or
        stays damaged, another StorageError when storage or the disk here fails.
        """
        ...

    def keys(self, prefix: str) -> list[str]:
        """Keys of the complete folders directly below ``prefix``, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove a folder, its manifest first. Removing what does not exist is no error."""
        ...


@dataclass(frozen=True)
class ProgressEvent:
    """What the progress line shows."""

    step: int
    steps: int
    images_per_second: float
    data_wait_share: float
    val_error_rate: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One training of all its roles, as it travels to whoever carries it out.

    Attributes:
        id: key of the run in the store; the same inputs have the same one (``ssgan/runs/identity.py``).
        identity: what a checkpoint must agree with to be resumed from (parameters, code, data, start).
        config: all parameters.
        files: the splits that it reads.
    """

    id: str
    identity: dict[str, Any]
    config: Config
    files: SplitFiles


@dataclass(frozen=True)
class RunContext:
    """What the surroundings give to a run.

    Attributes:
        store: where checkpoints and results go.
        device: of the networks and of data in memory.
        on_progress: called on rank 0 only.
        board: folder for live TensorBoard events, or None.
        heartbeat: called on every rank, every step: a sign of life for a watchdog.
        on_record: every validation, on rank 0 only; on resuming those of earlier attempts come first. Or None.
    """

    store: FolderStore
    device: torch.device
    on_progress: Callable[[Role, ProgressEvent], None]
    board: Path | None = None
    heartbeat: Callable[[], None] = lambda: None
    on_record: Callable[[Role, Record], None] | None = None


def final_key(run: str, role: Role) -> str:
    """Key in the store of a finished role."""
    return f"{run}/{role}/final"


def start_key(start: dict[Role, str] | dict[str, str]) -> str:
    """Key in the store of the models that a run starts from, by the sha256 of the weights of each role."""
    return f"starts/{ids_sha256(f'{role} {digest}' for role, digest in start.items())[:16]}"


def checkpoints_prefix(run: str, role: Role) -> str:
    """Prefix in the store of checkpoints in flight; apart from results, for lifecycle rules of a bucket know prefixes only."""
    return f"checkpoints/{run}/{role}"
