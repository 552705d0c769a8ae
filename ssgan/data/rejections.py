"""Why a file is not accepted: short stable codes, and the exception that carries one.

The codes are part of the schema of ``rejected.parquet`` and of ``metrics/ingest.json``: never rename one.
"""

from __future__ import annotations

from ssgan.errors import DataError

REASONS = {
    # the listing
    "hidden": "a hidden or system file or folder (.name, Thumbs.db, desktop.ini, __MACOSX)",
    "broken_link": "a symbolic link to nothing",
    "link_loop": "a symbolic link to a folder that contains it",
    "not_a_file": "a device, a pipe or a socket",
    # reading
    "vanished": "listed, but gone when it was read",
    "unreadable": "the file system or the storage refuses to hand it out",
    "too_large_file": "more bytes than data.max_file_bytes",
    "empty": "no bytes",
    # decoding
    "not_an_image": "the bytes do not begin like any supported image format",
    "unsupported_format": "an image, but of a format that is not decoded (HEIC, DICOM, camera raw, ...)",
    "unsupported_mode": "pixels that have no agreed meaning as gray or RGB (many bands, floats, signed or 32-bit integers)",
    "out_of_range": "values that do not fit into data.deep_bits",
    "too_many_pixels": "more pixels than data.max_pixels, by its header",
    "animated": "more than one frame or page",
    "truncated": "the file ends too early",
    "damaged": "it decodes, but a checksum or the decoder found damage; data.damaged: accept takes it",
    "corrupt": "it cannot be decoded",
}


class Rejected(DataError):  # noqa: N818 - it reads as a fact about a file, not as a failure
    """One file cannot become an image. ``reason`` is a key of REASONS, ``detail`` a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Rejected], tuple[str, str]]:
        return type(self), (self.reason, self.detail)
