"""What a flaw is that no pixel hangs on, what damage is, and what `data.damaged: accept` makes of it."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssgan.config import DataConfig, FolderSource, ImageSpec
from ssgan.data.decode import DecodeLimits, Rejected, decode, decode_info
from ssgan.data.images import ingest
from ssgan.data.opencv import cv2
from ssgan.data.sources import make_source
from tests.support.images import blob, encode, picture, rows, write

SPEC = ImageSpec(3, 32, "fit")
STRICT = DecodeLimits(1 << 20, 1 << 20)
ACCEPTING = STRICT._replace(damaged="accept")
RGB = Image.fromarray(picture()[..., :3])
GOOD = encode(RGB, "JPEG", quality=90)
SCAN = GOOD.rindex(b"\xff\xda")
SCAN_HEADER_ENDS = SCAN + 2 + int.from_bytes(GOOD[SCAN + 2 : SCAN + 4], "big")


def reason(data: bytes, limits: DecodeLimits = STRICT) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, SPEC, limits)
    return caught.value.reason


def wrong_scan_header(data: bytes = GOOD) -> bytes:
    """As some phones write it: a spectrum that ends at 0."""
    return data[: SCAN_HEADER_ENDS - 2] + b"\0" + data[SCAN_HEADER_ENDS - 1 :]


def filled(data: bytes = GOOD, count: int = 40) -> bytes:
    """Zeros before the end marker."""
    return data[:-2] + bytes(count) + data[-2:]


def flipped(data: bytes, position: int, bit: int = 0x10) -> bytes:
    out = bytearray(data)
    out[position] ^= bit
    return bytes(out)


def damaged_jpegs() -> list[bytes]:
    """Whole files with a flipped bit in the scan that libjpeg notices."""
    draw, found = random.Random(3), []
    for _ in range(200):
        data = flipped(GOOD, draw.randrange(SCAN_HEADER_ENDS + 20, len(GOOD) - 4), 1 << draw.randrange(8))
        try:
            decode(data, SPEC, STRICT)
        except Rejected as why:
            if why.reason == "damaged":
                found.append(data)
    return found


# --- JPEG ------------------------------------------------------------------------------------------------------------

PROGRESSIVE = encode(RGB, "JPEG", quality=90, progressive=True)
FLAWED = {
    "wrong scan header": (wrong_scan_header(), GOOD),
    "filler before the end": (filled(), GOOD),
    "long filler": (filled(count=4000), GOOD),
    "both": (wrong_scan_header(filled()), GOOD),
    "filler, progressive": (filled(PROGRESSIVE), PROGRESSIVE),
    "filler, and more behind the end": (filled() + GOOD, GOOD),
}


@pytest.mark.parametrize("name", FLAWED)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_flaw_that_no_pixel_hangs_on_is_none(name: str, channels: int) -> None:
    flawed, good = FLAWED[name]
    found, wanted = (decode_info(data, SPEC._replace(channels=channels), STRICT) for data in (flawed, good))
    assert np.array_equal(found.pixels, wanted.pixels)
    assert found.header == wanted.header
    assert not found.header.damaged


def test_a_flawed_photo_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    good = encode(RGB, "JPEG", exif=exif)
    assert np.array_equal(decode(filled(good), SPEC, STRICT), decode(good, SPEC, STRICT))


def test_damage_behind_a_flaw_is_found() -> None:
    noticed = [data for data in damaged_jpegs() if reason(wrong_scan_header(data)) == "damaged"]
    assert len(noticed) > 15
    cut = wrong_scan_header()[:-300]
    assert reason(cut) == reason(cut, ACCEPTING) == "truncated"


def test_a_damaged_jpeg_is_accepted_only_if_that_is_asked_for() -> None:
    found = damaged_jpegs()
    assert len(found) > 15
    for data in found:
        assert reason(data) == "damaged"
        image, header = decode_info(data, SPEC._replace(image_size=64), ACCEPTING)
        assert header.damaged
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert shown is not None
        assert np.abs(image[:, 8:56].transpose(1, 2, 0) - shown.astype(int)).mean() < 1


def test_what_a_damaged_scan_leaves_before_the_end_is_no_filler() -> None:
    assert reason(GOOD[:-2] + bytes(20) + b"\x17" + bytes(20) + GOOD[-2:]) == "damaged"


def test_a_damaged_cmyk_jpeg_is_noticed_too() -> None:
    data = encode(RGB.convert("CMYK"), "JPEG", quality=90)
    decode(data, SPEC, STRICT)
    start = data.rindex(b"\xff\xda") + 40
    found = [flipped(data, position) for position in range(start, len(data) - 4, 11)]
    assert sum(decode_or_reason(one) == "damaged" for one in found) > len(found) // 4


def decode_or_reason(data: bytes) -> str:
    try:
        decode(data, SPEC, STRICT)
    except Rejected as why:
        return why.reason
    return "accepted"


# --- PNG -------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


def interlaced(pixels: np.ndarray) -> bytes:
    """A gray PNG of 8 bits in seven passes."""
    height, width = pixels.shape
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    lines = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx] if len(row)]
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    body = chunk(b"IDAT", zlib.compress(b"".join(lines)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


KEYED = RGB.quantize(8)
PNGS = {
    "RGB": encode(RGB, "PNG"),
    "RGBA": encode(Image.fromarray(picture()), "PNG"),
    "palette": encode(KEYED, "PNG"),
    "palette, transparent": encode(KEYED, "PNG", transparency=3),
    "1 bit": encode(RGB.convert("1"), "PNG"),
    "16 bits": encode(Image.fromarray(picture()[..., 0].astype(np.uint16) * 250), "PNG"),
    "interlaced": interlaced(picture()[..., 0]),
    "interlaced, tiny": interlaced(picture(2, 3)[..., 0]),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_wrong_checksum_of_pixels_is_damage_though_they_may_be_whole(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = PNGS[name]
    at = data.index(b"IDAT")
    wrong = flipped(data, at + 4 + int.from_bytes(data[at - 4 : at], "big"))
    assert reason(wrong) == "damaged"
    found = decode_info(wrong, SPEC, ACCEPTING)
    assert np.array_equal(found.pixels, decode(data, SPEC, STRICT))
    assert found.header.damaged
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", PNGS)
def test_pixels_that_cannot_be_read_are_corrupt(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = PNGS[name]
    at, wrong = data.index(b"IDAT"), []
    for position in range(at + 4, at + 4 + int.from_bytes(data[at - 4 : at], "big")):
        try:
            found = decode_info(flipped(data, position), SPEC, ACCEPTING)
            assert found.header.damaged
        except Rejected as why:
            wrong.append(why.reason)
    assert set(wrong) == {"corrupt"}
    assert capfd.readouterr().err == ""


def test_a_wrong_checksum_of_text_is_no_flaw_of_the_picture() -> None:
    data = PNGS["RGB"]
    for kind in (b"tEXt", b"iCCP", b"tIME"):
        flawed = data[:33] + chunk(kind, b"some text", wrong=1) + data[33:]
        assert np.array_equal(decode(flawed, SPEC, STRICT), decode(data, SPEC, STRICT))
    unknown = data[:33] + chunk(b"qqQq", b"perhaps this was IDAT", wrong=1) + data[33:]
    assert reason(unknown) == "damaged"


# --- other formats ---------------------------------------------------------------------------------------------------


def test_a_tiff_with_a_thumbnail_is_one_picture() -> None:
    wanted = picture()[..., :3]
    for small_first in (False, True):
        out = BytesIO()
        with tifffile.TiffWriter(out) as file:
            pages = [(wanted, 0), (np.ascontiguousarray(wanted[::4, ::4]), 1)]
            for pixels, kind in reversed(pages) if small_first else pages:
                file.write(pixels, photometric="rgb", subfiletype=kind)
        found = decode(out.getvalue(), SPEC._replace(image_size=64), STRICT)
        assert np.array_equal(found[:, 8:56].transpose(1, 2, 0), wanted)
    out = BytesIO()
    with tifffile.TiffWriter(out) as file:
        for _ in range(2):
            file.write(wanted, photometric="rgb")
    assert reason(out.getvalue()) == "animated"


def test_reasons_say_what_a_file_holds() -> None:
    bands, webp, zstd = BytesIO(), BytesIO(), BytesIO()
    tifffile.imwrite(zstd, picture()[..., :3].astype(np.uint16), photometric="rgb", compression="zstd")
    tifffile.imwrite(bands, np.zeros((9, 9, 13), np.uint16), photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(webp, picture()[..., :3], photometric="rgb", compression="webp")
    told = ((bands, "13 bands of 16 bits"), (webp, "compressed by webp"), (zstd, "3 bands of 16 bits, compressed by zstd"))
    for data, said in told:
        with pytest.raises(Rejected, match=said) as caught:
            decode(data.getvalue(), SPEC, STRICT)
        assert caught.value.reason == "unsupported_mode"


def test_no_library_writes_to_the_terminal(tmp_path: Path) -> None:
    """Without the file's name nobody can do anything with its lines. A process of its own: here, filters are set already."""
    bands = BytesIO()
    tifffile.imwrite(bands, np.zeros((9, 9, 13), np.uint8), photometric="minisblack", planarconfig="contig")
    deep = BytesIO()
    tifffile.imwrite(deep, picture()[..., :3].astype(np.uint16), photometric="rgb", compression="zlib")
    tiff = encode(RGB, "TIFF", compression="tiff_lzw")
    files = [bands.getvalue(), *(data[:cut] for data in (tiff, deep.getvalue()) for cut in range(8, len(data), 97))]
    files += [flipped(data, position) for data in (tiff, deep.getvalue()) for position in range(8, len(data), 41)]
    for number, data in enumerate([*files, PNGS["RGB"]]):
        (tmp_path / f"{number:04d}.tif").write_bytes(data)
    code = f"""
from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits, Rejected, decode
from pathlib import Path
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    try: decode(path.read_bytes(), ImageSpec(3, 16, "fit"), DecodeLimits(1 << 20, 1 << 20))
    except Rejected: pass
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


# --- ingest ----------------------------------------------------------------------------------------------------------


def test_ingest_counts_damaged_files_apart_from_those_that_cannot_be_decoded(tmp_path: Path) -> None:
    broken = bytearray(PNGS["RGB"])
    broken[60:70] = bytes(10)
    files = {f"a/damaged-{i}.jpg": data for i, data in enumerate(damaged_jpegs()[:3])}
    raw = write(tmp_path / "raw", files | {"a/broken.png": bytes(broken), "a/good.jpg": GOOD, "b/other.png": blob(7)})
    config = DataConfig(source=FolderSource(path=str(raw)), channels=3)
    strict = ingest(make_source(config.source), config, tmp_path / "out")
    assert strict.metrics()["rejected_by_reason"] == {"corrupt": 1, "damaged": 3}
    assert strict.metrics()["damaged_accepted"] == 0
    assert "3 damaged files decode; data.damaged: accept takes them" in strict.describe(1.0)

    config = config.model_copy(update={"damaged": "accept"})
    for _ in range(2):  # the second finds everything in the shards of the first
        accepting = ingest(make_source(config.source), config, tmp_path / "out")
        assert accepting.metrics()["rejected_by_reason"] == {"corrupt": 1}
        assert (accepting.accepted, accepting.metrics()["damaged_accepted"]) == (5, 3)
        assert "3 images are damaged, such as a/damaged-0.jpg" in accepting.describe(1.0)
    (shard,) = (tmp_path / "out/index").iterdir()
    assert {row["path"] for row in rows(shard) if row["damaged"]} == set(files)


def test_gifs_with_extensions_and_tables_of_their_own_are_whole_up_to_their_trailer() -> None:
    frame = RGB.quantize(16)
    for options in ({}, {"transparency": 3}, {"comment": b"; a semicolon " * 30}, {"interlace": 1}):
        data = encode(frame, "GIF", **options)
        for tail in (b"", b"\0\0", b"junk;"):
            assert np.array_equal(decode(data + tail, SPEC, STRICT), decode(data, SPEC, STRICT))
        assert {reason(data[:cut]) for cut in range(6, len(data))} <= {"truncated", "corrupt", "not_an_image"}
