"""Many sha256 as arrays: sorted, looked up and hashed at once, no object for each one."""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
Digests = npt.NDArray[np.uint8]  # (N, 32)

NONE = -1
ID_BYTES = 32


def digests(values: Iterable[bytes | memoryview]) -> Digests:
    """(N, 32) of sha256 as bytes."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, 32)


def as_hex(ids: Digests) -> list[str]:
    """(N, 32) as N texts."""
    text = hexlify(ids.tobytes()).decode()
    return [text[at : at + 64] for at in range(0, len(text), 64)]


def order_of(ids: Digests) -> npt.NDArray[np.uint32]:
    """(N,) which of N digests comes first, second, ..."""
    first = heads(ids)
    order = np.argsort(first)
    first = first[order]
    if (first[1:] == first[:-1]).any():  # equal in 64 bits: most likely equal, or else compared by what follows
        order = np.lexsort(ids.view(">u8").T[::-1])
    return order.astype(np.uint32)


def inverse(order: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """(N,) the place of each number in a permutation."""
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    return place


def sorted_ids_sha256(ids: Digests, rows: I64) -> str:
    """``ssgan.provenance.ids_sha256`` of some of N ids in ascending order, by ascending rows."""
    digest = hashlib.sha256()
    for start in range(0, len(rows), 1 << 16):
        digest.update(hexlify(ids[rows[start : start + (1 << 16)]].tobytes(), "\n", ID_BYTES) + b"\n")
    return digest.hexdigest()


SALT = b"ssgan-split"


def draws(ids: Digests) -> npt.NDArray[np.uint64]:
    """(N,) a hash of each of N ids alone: it decides on val and test and on the order of images, and never changes."""
    text = ids.tobytes().hex().encode()
    found = (hashlib.sha256(SALT + text[at : at + 64]).digest()[:8] for at in range(0, len(text), 64))
    return np.frombuffer(b"".join(found), ">u8").astype(np.uint64)


class DigestMap:
    """Which number, of (N,) int64, belongs to which of N sha256; 48 bytes for each. Of equal ones the first counts.

    They are found by their first 64 bits. Where two of them share these (by chance: one in a million sets of five million),
    only the first is found; to an ingest, the other is an image that it does not know.
    """

    def __init__(self, known: Digests, values: I64) -> None:
        first = heads(known)
        order = np.argsort(first, kind="stable")
        self._heads, self._known, self._values = first[order], known[order], values[order]

    def get(self, wanted: Digests) -> I64:
        """(M,) the number of each of (M, 32) digests; NONE where it is not among them."""
        found = np.full(len(wanted), NONE, np.int64)
        if len(self._heads):
            at = np.minimum(np.searchsorted(self._heads, heads(wanted)), len(self._heads) - 1)
            same = (self._known[at].view(np.uint64) == wanted.view(np.uint64)).all(axis=1)
            found[same] = self._values[at[same]]
        return found

    def __contains__(self, digest: object) -> bool:
        if not isinstance(digest, bytes) or not len(self._heads):  # the first ingest should not pay for a search
            return False
        at = int(self._heads.searchsorted(np.uint64(int.from_bytes(digest[:8], "big"))))
        return at < len(self._heads) and self._known[at].tobytes() == digest


def heads(values: Digests) -> npt.NDArray[np.uint64]:
    """(N,) the first 64 bits."""
    return np.ascontiguousarray(values[:, :8]).view(">u8")[:, 0].astype(np.uint64)
