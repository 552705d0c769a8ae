"""The orientation of a photo, from the EXIF block that formats carry in their own ways."""

from __future__ import annotations

import struct


def exif_orientation(tiff: bytes) -> int:
    """Orientation (1-8) in an EXIF block that begins with its TIFF header; 1 where absent, damaged or out of range."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for i in range(count):
            tag, kind = struct.unpack_from(order + "HH", tiff, directory + 2 + 12 * i)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, directory + 10 + 12 * i)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
