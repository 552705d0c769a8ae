"""The way of a project that has images and no label yet: features, clusters, sheets of them to name."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from ssgan.config import SplitConfig
from ssgan.data import schema
from ssgan.data.labels import is_ledger
from ssgan.ledger import Ledger

FIRST_LABELS = "`ssgan next --clusters 20`, then `ssgan label`, then `dvc repro`"


def without_labels(config: SplitConfig, index: Path) -> bool:
    """Whether no ingested image has a label. A table of labels counts as some."""
    if config.labels is None:
        return not pc.any(pc.is_valid(schema.read_set(index, ["folder_class"])["folder_class"])).as_py()
    return is_ledger(Path(config.labels)) and not Ledger(Path(config.labels)).batches()
