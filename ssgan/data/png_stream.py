"""The compressed pixels of a PNG whose checksums are wrong, as far as they can be used.

libpng would write to stderr what it thinks of them, without the file's name, so they are looked through here and packed anew.
"""

from __future__ import annotations

import zlib

_BITS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples of a pixel, by color type
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # first x, y; steps
_FILTERS = 5


def repacked(stream: bytes, header: bytes) -> bytes | None:
    """The content of all IDAT chunks with every checksum right; None where pixels are missing or cannot be told.

    Args:
        stream: that content as it is.
        header: the content of the IHDR chunk.
    """
    rows = _rows(header)
    expected = sum(count * length for count, length in rows)
    try:
        pixels = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream[2:], expected)  # raw: its own checksum is not looked at
    except zlib.error:
        return None
    if len(pixels) < expected:
        return None
    start = 0
    for count, length in rows:
        end = start + count * length
        if max(pixels[start:end:length]) >= _FILTERS:
            return None
        start = end
    return zlib.compress(pixels, 1)


def _rows(header: bytes) -> list[tuple[int, int]]:
    """Number of rows, and bytes of each with its filter, in every pass."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _BITS.get(header[9], 1)
    found = []
    for x, y, across, down in _ADAM7 if header[12] else _WHOLE:
        columns, count = -(-(width - x) // across), -(-(height - y) // down)
        if columns > 0 and count > 0:
            found.append((count, 1 + -(-columns * bits // 8)))
    return found
