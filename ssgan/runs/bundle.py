"""What a job on the cluster is sent: a few files by an allow-list, never the working folder with its data.

The code goes along, so that a run is named after the same code on both sides; data travels through storage (``publish``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ssgan.cluster.versions import SUBMISSION
from ssgan.config import ClusterConfig
from ssgan.errors import ConfigError
from ssgan.runs.publish import POINTER

MIB = 1 << 20
PACKAGE = Path(__file__).parents[1]
SHOWN = 5  # biggest paths in the message


def write(folder: Path, config: ClusterConfig, pointer: dict[str, Any], submission: dict[str, Any]) -> int:
    """Fill an empty folder with all that the job needs. Returns its size in bytes.

    Raises:
        ConfigError: ``cluster.include`` names what is not there, or all together is larger than ``cluster.upload_limit``.
    """
    files = dict(_allowed(config.include))
    size = require_sendable(config)
    for target, source in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / target)
    (folder / POINTER).write_text(json.dumps(pointer, indent=1))
    (folder / SUBMISSION).write_text(json.dumps(submission, indent=1))
    return size


def require_sendable(config: ClusterConfig) -> int:
    """Size in bytes of what would be sent; raises as ``write`` does. For the moment before anything has left this machine."""
    return require_small({target: source.stat().st_size for target, source in _allowed(config.include)}, config.upload_limit)


def _allowed(include: Iterable[str]) -> Iterable[tuple[Path, Path]]:
    """Path in the upload and file here, of everything that is sent."""
    yield Path("params.yaml"), Path("params.yaml")
    yield from ((Path(PACKAGE.name, file.relative_to(PACKAGE)), file) for file in sorted(PACKAGE.rglob("*.py")))
    for name in include:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not path.exists():
            raise ConfigError(f"`cluster.include` names {name!r}, which is no file or folder of this project; correct it")
        yield from ((file, file) for file in sorted(path.rglob("*") if path.is_dir() else [path]) if file.is_file())


def require_small(sizes: dict[Path, int], limit: int) -> int:
    """Sum of the sizes in bytes. Raises ConfigError, with the biggest paths, if it is above the limit."""
    total = sum(sizes.values())
    if total > limit:
        biggest = sorted(sizes.items(), key=lambda item: -item[1])[:SHOWN]
        listed = ", ".join(f"{path} ({size / MIB:.1f} MiB)" for path, size in biggest)
        raise ConfigError(
            f"the upload has {total / MIB:.1f} MiB, `cluster.upload_limit` is {limit / MIB:.1f} MiB; the biggest: {listed}; "
            "take them out of cluster.include (data travels through storage), or raise the limit"
        )
    return total
