"""Names of classes as text: one form for what looks the same, and values that most likely are no names."""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

# what programs write for "no value"; some are names of classes too (none: without a defect), so a person has to say it
_PLACEHOLDERS = {"nan", "na", "n/a", "#n/a", "<na>", "none", "null", "nat", "#na", "-nan"}

# What may follow the name of a split or of the pool: train2017, test_set, unlabeled_images
MORE = r"(?:[ _-]?(?:set|data|images?|\d{4}))?"
# images without a class: of a split, or of the source. FiftyOne writes _unlabeled, Datumaro no_label
_POOL = re.compile(rf"_?(?:un-?label+ed|no[ _-]?labels?|not[ _-]?label+ed|unannotated){MORE}", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0+")


@lru_cache(maxsize=4096)
def class_name(text: str) -> str:
    """A class as it is stored: Unicode form NFC, without spaces around it.

    macOS decomposes letters with accents in file names, hardly anybody else does; both forms look the same.
    """
    return normalize("NFC", text).strip()


@lru_cache(maxsize=4096)
def is_pool(name: str) -> bool:
    """Whether a folder, where a class folder or a split could be, is called after images without a class."""
    return _POOL.fullmatch(name) is not None


def is_placeholder(name: str) -> bool:
    """Whether a name most likely says that there is no label (``nan``, ``NA``, ``None``, ``null``, ``unlabeled``)."""
    return name.strip().lower() in _PLACEHOLDERS or is_pool(name)


def whole_number(name: str) -> str | None:
    """1 of ``1.0``, which pandas writes for 1 where a column has empty cells; None for any other name."""
    found = _WHOLE_NUMBER.fullmatch(name)
    return found and found[1]
