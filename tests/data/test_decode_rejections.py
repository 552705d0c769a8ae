"""Every reason for which bytes are no image, with a real file each; and no file cut short that passes."""

from __future__ import annotations

import contextlib
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits, Rejected, decode
from ssgan.data.rejections import REASONS
from tests.support.images import encode, picture

SPEC = ImageSpec(3, 32, "fit")
LIMITS = DecodeLimits(max_file_bytes=100_000, max_pixels=1_000_000)
RGB = Image.fromarray(picture()[..., :3])


def reason(data: bytes, limits: DecodeLimits = LIMITS) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, SPEC, limits)
    assert caught.value.reason in REASONS
    assert caught.value.detail
    return caught.value.reason


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


FRAMES = [Image.fromarray(np.full((9, 9, 3), value, np.uint8)) for value in (10, 90, 200)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"just text, named photo.jpg", "not_an_image"),
        (b"BMW is not a bitmap, whatever its first letters say", "not_an_image"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "unsupported_format"),
        (b"8BPS\x00\x01", "unsupported_format"),
        (bytes(128) + b"DICM\x02\x00", "unsupported_format"),
        (b"\xff\x0a\x00\x10", "unsupported_format"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "unsupported_format"),
        (b"\x76\x2f\x31\x01\x02\x00\x00\x00", "unsupported_format"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "unsupported_format"),
        (b"\x00\x00\x00\x18ftypcrx ", "unsupported_format"),
        (encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "animated"),
        (encode(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "animated"),
        (encode(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "animated"),
        (encode(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "animated"),
        (encode(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"), "unsupported_mode"),
        (encode(Image.fromarray(np.zeros((9, 9), np.int32)), "TIFF"), "unsupported_mode"),
        (png(50_000, 50_000, zlib.compress(b"")), "too_many_pixels"),
        (encode(Image.new("L", (1001, 1000)), "JPEG"), "too_many_pixels"),
        (encode(Image.new("L", (1001, 1000)), "GIF"), "too_many_pixels"),
        (encode(Image.new("1", (30_000, 30_000)), "TIFF", compression="group4"), "too_many_pixels"),
        (b"P5 30000 30000 255\n", "too_many_pixels"),
        (b"P5 8 8 255\n" + bytes(63), "truncated"),
        (png(0, 8, zlib.compress(b"")), "corrupt"),
        (png(100, 80, zlib.compress(bytes(4000))), "corrupt"),  # valid chunks, too few pixels: half a picture
        (b"\xff" * 200_000, "too_large_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
def test_a_jpeg_cut_anywhere_is_rejected(options: dict[str, object]) -> None:
    data = encode(RGB, "JPEG", quality=90, **options)
    decode(data, SPEC, LIMITS)
    decode(data + b"trailing bytes", SPEC, LIMITS)
    accepting = LIMITS._replace(damaged="accept")
    for limits in (LIMITS, accepting):
        assert {reason(data[:cut], limits) for cut in range(3, len(data), 7)} <= {"truncated", "corrupt"}
        assert {reason(data[:cut], limits) for cut in range(len(data) - 40, len(data))} == {"truncated"}


def test_a_png_cut_anywhere_is_rejected() -> None:
    data = encode(RGB, "PNG")
    decode(data, SPEC, LIMITS)
    decode(data + b"trailing bytes", SPEC, LIMITS)
    assert {reason(data[:cut]) for cut in range(8, len(data))} == {"truncated"}


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
def test_other_formats_cut_anywhere_are_rejected(fmt: str) -> None:
    data = encode(RGB, fmt)
    assert np.array_equal(decode(data + b"trailing bytes", SPEC, LIMITS), decode(data, SPEC, LIMITS))
    cuts = [*range(4, len(data), max(1, len(data) // 60)), len(data) - 1]
    assert {reason(data[:cut]) for cut in cuts} <= {"truncated", "corrupt", "not_an_image"}


def test_a_tiff_with_compression_cut_anywhere_is_rejected() -> None:
    data = encode(RGB, "TIFF", compression="tiff_lzw")
    assert {reason(data[:cut]) for cut in range(4, len(data), len(data) // 60)} <= {"truncated", "corrupt", "not_an_image"}


def test_a_flipped_bit_in_a_png_is_found_by_its_checksum(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(RGB, "PNG")
    for position in random.Random(0).sample(range(8, len(data) - 4), 60):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        assert reason(bytes(damaged)) in ("corrupt", "damaged", "truncated", "too_many_pixels")
    assert capfd.readouterr().err == ""  # libpng would find it too, but write to stderr for each file


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
def test_random_damage_never_raises_anything_else(fmt: str) -> None:
    data = encode(RGB, fmt)
    draw = random.Random(1)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 8)):
            damaged[draw.randrange(len(data))] = draw.randrange(256)
        for limits in (LIMITS, LIMITS._replace(damaged="accept")):
            with contextlib.suppress(Rejected):  # anything else would stop the whole stage
                assert decode(bytes(damaged), SPEC, limits).shape == SPEC.shape


def test_limits_are_inclusive() -> None:
    data = encode(Image.new("L", (100, 10)), "PNG")
    decode(data, SPEC, DecodeLimits(len(data), 1000))
    assert reason(data, DecodeLimits(len(data) - 1, 1000)) == "too_large_file"
    assert reason(data, DecodeLimits(len(data), 999)) == "too_many_pixels"


def test_a_rejection_survives_pickling() -> None:
    import pickle

    copy = pickle.loads(pickle.dumps(Rejected("corrupt", "a detail")))
    assert (copy.reason, copy.detail, str(copy)) == ("corrupt", "a detail", "corrupt: a detail")
