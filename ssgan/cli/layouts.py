"""What the folders of images mean, as a choice on the command line."""

from __future__ import annotations

from enum import StrEnum


class FolderLayout(StrEnum):
    """``data.source.layout``."""

    auto = "auto"
    classes = "classes"
    split_classes = "split_classes"
    flat = "flat"
