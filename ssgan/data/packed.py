"""Rows that share a key, by one sort of N numbers: a key gives up its last bits to the number of its row.

Letters: N keys, M of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SLICE = 1 << 18  # keys at once


def row_bits(n: int) -> np.uint64:
    """How many last bits the number of one of N rows takes."""
    return np.uint64(max(1, (n - 1).bit_length()))


def not_alone(keys: U64, bits: np.uint64) -> npt.NDArray[np.bool_]:
    """(N,) which of N sorted numbers agree with a neighbor in all but their last bits."""
    same = (keys[1:] ^ keys[:-1]) < np.uint64(1) << bits
    return np.append(same, False) | np.append(False, same)


def rows(keys: U64, which: npt.NDArray[np.bool_], bits: np.uint64) -> I64:
    """The rows that some keys carry in their last bits."""
    return (keys[which] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)


def sharing(keys: U64) -> I64:
    """(M,) rows whose key another row has too, ordered by key, then ascending; some that are alone may be among them."""
    bits = row_bits(len(keys))
    keys = keys >> bits
    keys <<= bits
    keys |= np.arange(len(keys), dtype=np.uint32)
    keys.sort()
    return rows(keys, not_alone(keys, bits), bits)


def equal(keys: U64) -> tuple[I64, I64]:
    """Rows whose key an earlier row has, and the first row with that key."""
    rows = sharing(keys)
    rows = rows[np.lexsort((rows, keys[rows]))]
    same = keys[rows[1:]] == keys[rows[:-1]]
    starts = np.flatnonzero(np.append(True, ~same))[: len(rows)]
    later = np.flatnonzero(same) + 1
    return rows[later], rows[starts[np.searchsorted(starts, later, side="right") - 1]]


def slices(keys: U64, bits: np.uint64) -> Iterator[U64]:
    """Sorted numbers, some SLICE at once; those that differ in the last bits only stay together."""
    start = 0
    while start < len(keys):
        stop = min(start + SLICE, len(keys))
        if stop < len(keys):
            behind = (int(keys[stop - 1]) >> int(bits)) + 1 << int(bits)
            stop = int(np.searchsorted(keys, np.uint64(behind))) if behind < 1 << 64 else len(keys)
        yield keys[start:stop]
        start = stop
