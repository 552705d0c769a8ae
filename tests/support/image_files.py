"""Files of every format, depth and layout, made from known pixels by libraries that ssgan does not decode them with.

Letters: H, W height and width; B bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import product
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

H, W = 17, 23  # odd, so that packed bits do not end with a row
Samples = npt.NDArray[Any]


class Made(NamedTuple):
    """A file.

    data: its bytes. pixels: (H, W), (H, W, 3), or with alpha (H, W, 2) or (H, W, 4): what was stored. white: the value that is
    white, negative where values go from 0 for white to its absolute value for black; None: it has no agreed meaning.
    """

    name: str
    data: bytes
    pixels: Samples
    white: int | None


def samples(rng: np.random.Generator, bits: int, bands: int) -> Samples:
    """(H, W) or (H, W, B) over the whole range, with both ends of it."""
    values = rng.integers(0, 1 << bits, (H, W, bands))
    values[0, 0], values[0, 1] = 0, (1 << bits) - 1
    return values.astype(np.uint8 if bits <= 8 else np.uint16).squeeze()


def tiffs(seed: int = 0) -> Iterator[Made]:
    """Bits, bands, colors, planes, byte orders and compressions."""
    rng = np.random.default_rng(seed)
    for bits, bands in product((1, 2, 4, 8, 12, 16), (1, 2, 3, 4, 5)):
        for planar, color, compression, order in product(
            (False, True), ("minisblack", "miniswhite", "rgb"), (None, "lzw", "zlib"), "<>"
        ):
            if (planar and bands == 1) or (color == "rgb" and bands < 3) or (compression and bits not in (8, 16)):
                continue
            if bits < 8 and bands > 1:
                continue
            pixels = samples(rng, bits, bands)
            name = f"tiff {bits} bits, {bands} bands{' planar' * planar}, {color}, {compression or 'plain'}, {order}"
            yield Made(name, _tiff(pixels, planar, color, compression, order, bits), pixels, _white(bits, bands, color))
    for kind in (np.int8, np.int16, np.float16, np.float32, np.int32, np.uint32):
        for bands in (1, 3):
            pixels = np.ones((H, W, bands), kind).squeeze()
            color = "rgb" if bands == 3 else "minisblack"
            yield Made(f"tiff {kind.__name__}, {bands} bands", _tiff(pixels, False, color, None, "<"), pixels, None)


def _white(bits: int, bands: int, color: str) -> int | None:
    highest = (1 << bits) - 1
    if color == "rgb":
        return highest
    return None if bands > 2 else -highest if color == "miniswhite" else highest


def _tiff(pixels: Samples, planar: bool, color: str, compression: str | None, order: str, bits: int | None = None) -> bytes:
    out, options = BytesIO(), dict[str, Any](photometric=color, compression=compression, byteorder=order)
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    if bands > 1:
        options["planarconfig"] = "separate" if planar else "contig"
    extra = bands - (3 if color == "rgb" else 1)
    if extra:
        options["extrasamples"] = ["unassalpha"] if extra == 1 else ["unspecified"] * extra
    if bits in (1, 2, 4, 12):
        options["bitspersample"] = bits
    tifffile.imwrite(out, np.moveaxis(pixels, -1, 0) if planar else pixels, **options)
    return out.getvalue()


def jpeg2000s(seed: int = 1) -> Iterator[Made]:
    """Bits, bands, containers, signs."""
    rng = np.random.default_rng(seed)
    for bits, bands, container, signed in product((4, 8, 10, 12, 16), (1, 2, 3, 4), ("j2k", "jp2"), (False, True)):
        pixels = samples(rng, bits, bands)
        if signed:
            pixels = (pixels.astype(int) - (1 << bits - 1)).astype(np.int8 if bits <= 8 else np.int16)
        options: dict[str, Any] = {"level": 0, "codecformat": container, "bitspersample": bits, "reversible": True}
        data = imagecodecs.jpeg2k_encode(pixels, **options)
        name = f"jpeg 2000 {container}, {bits} bits, {bands} components{' signed' * signed}"
        yield Made(name, bytes(data), pixels, None if signed else (1 << bits) - 1)


def jpegs(seed: int = 2) -> Iterator[Made]:
    """Without loss, and of more than 8 bits."""
    rng = np.random.default_rng(seed)
    for bits, bands, lossless in ((8, 1, True), (8, 3, True), (12, 1, False), (12, 3, False), (12, 1, True), (16, 1, True)):
        pixels = samples(rng, bits, bands)
        data = imagecodecs.jpeg8_encode(pixels, bitspersample=bits, lossless=lossless)
        yield Made(f"jpeg{' lossless' * lossless}, {bits} bits, {bands} bands", bytes(data), pixels, 255 if bits == 8 else None)


def pngs(seed: int = 3) -> Iterator[Made]:
    """8 and 16 bits, with and without alpha."""
    rng = np.random.default_rng(seed)
    for bits, bands in product((8, 16), (1, 2, 3, 4)):
        pixels = samples(rng, bits, bands)
        yield Made(f"png {bits} bits, {bands} bands", bytes(imagecodecs.png_encode(pixels)), pixels, (1 << bits) - 1)


def netpbms(seed: int = 4) -> Iterator[Made]:
    """Highest values, gray and color, with a comment."""
    rng = np.random.default_rng(seed)
    for highest, bands, comment in product((1, 15, 100, 255, 256, 1000, 4095, 65535), (1, 3), (b"", b"# by hand\n")):
        pixels = rng.integers(0, highest + 1, (H, W, bands)).astype(">u2" if highest > 255 else np.uint8).squeeze()
        head = b"P%d\n%b%d %d\n%d\n" % (5 if bands == 1 else 6, comment, W, H, highest)
        name = f"netpbm up to {highest}, {bands} bands{', comment' * bool(comment)}"
        yield Made(name, head + pixels.tobytes(), pixels, highest)


def webps(seed: int = 5) -> Iterator[Made]:
    """Without loss."""
    rng = np.random.default_rng(seed)
    for bands in (3, 4):
        pixels = samples(rng, 8, bands)
        if bands == 4:  # colors of what cannot be seen are not kept
            pixels[..., 3] |= 1
        yield Made(f"webp {bands} bands", bytes(imagecodecs.webp_encode(pixels, lossless=True)), pixels, 255)


def every() -> list[Made]:
    """All of them."""
    return [*tiffs(), *jpeg2000s(), *jpegs(), *pngs(), *netpbms(), *webps()]
