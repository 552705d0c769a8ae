"""Names of classes as text: one form for what looks the same, and values that most likely are no names."""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

# what programs write for "no value"; some are names of classes too (none: without a defect), so a person has to say it
_PLACEHOLDERS = {"nan", "na", "n/a", "#n/a", "<na>", "none", "null", "nat", "#na", "-nan"}

_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0+")


@lru_cache(maxsize=4096)
def class_name(text: str) -> str:
    """A class as it is stored: Unicode form NFC, without spaces around it.

    macOS decomposes letters with accents in file names, hardly anybody else does; both forms look the same.
    """
    return normalize("NFC", text).strip()


def is_placeholder(name: str) -> bool:
    """Whether a name most likely says that there is no label (``nan``, ``NA``, ``None``, ``null``)."""
    return name.strip().lower() in _PLACEHOLDERS


def whole_number(name: str) -> str | None:
    """1 of ``1.0``, which pandas writes for 1 where a column has empty cells; None for any other name."""
    found = _WHOLE_NUMBER.fullmatch(name)
    return found and found[1]
