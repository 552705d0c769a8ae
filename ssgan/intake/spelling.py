"""Names of classes that may be meant by another one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ssgan.data import classes
from ssgan.names import whole_number


def similar_names(name: str, known: Sequence[str]) -> list[str]:
    """Classes that may be meant: other case, spaces or punctuation, a typo, or the number without ``.0``.

    Numbers and signs are taken as they are: 10 is no typo of 1.0, nor C of C++.
    """
    if number := whole_number(name):
        return [number]
    spelled = [other for other in known if classes.similar([name, other])]
    folded = {other.casefold(): other for other in known if _letters(other) != _letters(name) or other in spelled}
    swapped = [other for other in known if _swapped(_letters(name), _letters(other))]
    typed = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.75) if _letters(name).strip("0123456789") else []
    return list(dict.fromkeys([*spelled, *swapped, *(folded[match] for match in typed)]))


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _swapped(one: str, other: str) -> bool:
    """The same letters in another order; of short names, two that were swapped are too many for a typo."""
    return one.isalpha() and one != other and sorted(one) == sorted(other)
