"""The way of a project that has images and no label yet: a ledger; features, clusters, sheets of them to name."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from ssgan.config import SplitConfig
from ssgan.data import schema
from ssgan.data.labels import is_ledger
from ssgan.data.sources.s3 import class_folders
from ssgan.ledger import Ledger
from ssgan.project.advice import Seen
from ssgan.storage import is_s3
from ssgan.storage.retries import RetryLimits

BY_CLUSTERS = "`ssgan next --clusters 20`, then `ssgan label`, then `dvc repro`"
FIRST_LABELS = f"`ssgan labels import FILE`, or without any: {BY_CLUSTERS}"


LOOK_LIMITS = RetryLimits(connect_timeout_s=3.0, read_timeout_s=10.0)  # a new project should not wait for a storage


def has_class_folders(images: str, seen: Seen | None) -> bool:
    """Whether class folders tell what the images show. False where nobody can say yet."""
    if not is_s3(images):
        return seen is not None and seen.labeled > 0
    from ssgan.storage.s3 import s3_filesystem  # only who has images in S3 needs its client

    try:
        return bool(class_folders(s3_filesystem(LOOK_LIMITS, 1), images))
    except Exception:  # of whatever kind: `ssgan doctor` says what is wrong with the storage
        return False


def without_labels(config: SplitConfig, index: Path) -> bool:
    """Whether no ingested image has a label. A table of labels counts as some."""
    if config.labels is None:
        return not pc.any(pc.is_valid(schema.read_set(index, ["folder_class"])["folder_class"])).as_py()
    return is_ledger(Path(config.labels)) and not Ledger(Path(config.labels)).batches()
