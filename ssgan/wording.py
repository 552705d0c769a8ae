"""Numbers in sentences for people."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A count with what is counted: ``1 image``, ``2 images``, ``1,234 images``.

    Args:
        noun: what one is called; it may come with its verb, as in ``image is``, and then needs ``plural``.
        plural: what several are called, where that is not ``noun`` with an ending.
    """
    return f"{number:,} {noun if number == 1 else plural or _several(noun)}"


def _several(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
