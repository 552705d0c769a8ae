"""TIFF: its tags first, for they can say nearly anything; then Pillow, or OpenCV for color of 16 bits.

Only layouts that both the tests and two other libraries agree on are decoded (``tests/data/test_decoders.py``). Any other is
refused with what its tags say.
"""

from __future__ import annotations

import ctypes
from io import BytesIO
from typing import Literal, NamedTuple

import numpy as np
from PIL import _imaging
from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from ssgan.data import codec_pillow
from ssgan.data.opencv import cv2
from ssgan.data.raw import Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected
from ssgan.wording import counted

_libtiff = ctypes.CDLL(_imaging.__file__)  # Pillow's: what it writes to stderr of damage names no file
for _name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
    if hasattr(_libtiff, _name):
        getattr(_libtiff, _name)(None)

MOST_PAGES = 10_000  # looked at; their chain may be a ring
_NEW_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _EXTRA, _FORMAT, _DNG = 277, 284, 338, 339, 50706
_WHITE_IS_ZERO, _RGB, _CMYK = 0, 2, 5
_SENSOR = (32803, 34892)  # color filter array, linear raw
_DECISIVE = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT)
_UNSIGNED = (1, 4)  # 4: undefined, to be read as unsigned
_FORMATS = {2: "signed", 3: "floating point", 5: "complex", 6: "complex"}
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_NO_ALPHA, _PREMULTIPLIED = 0, 1  # kinds of an extra sample: no alpha; alpha that color was multiplied by
_COMMON = (1, 5, 8, 32773, 32946)  # compressions that OpenCV reads too: none, LZW, deflate, PackBits
_WEBP, _KODAK, _SONY, _NIKON = 50001, 65000, 32767, 34713


class _Page(NamedTuple):
    """What the tags of a page say."""

    height: int
    width: int
    bits: tuple[int, ...]  # of each sample
    formats: tuple[int, ...]
    samples: int
    extra: tuple[int, ...]
    photometric: int
    planar: bool  # one plane of samples after the other
    compression: int
    subfile: int
    raw: bool

    def describe(self) -> str:
        """For people."""
        bits = " and ".join(map(str, sorted(set(self.bits))))
        said = [_FORMATS.get(one, f"sample format {one}") for one in sorted(set(self.formats) - set(_UNSIGNED))]
        said += ["one plane after the other"] * (self.planar and self.samples > 1)
        if self.compression not in _COMMON:
            said.append(f"compressed by {COMPRESSION_INFO.get(self.compression, f'method {self.compression}')}")
        return ", ".join([f"TIFF of {self.samples} band{'s' * (self.samples != 1)} of {bits} bits", *said])


def decode(data: bytes, request: Request) -> Raw:
    """Raises Rejected."""
    pages = _pages(data)
    if not pages or not pages[0].height:  # Pillow says what is wrong with such a header
        return codec_pillow.decode(data, "TIFF", request)
    number, page = _only(pages)
    check_pixels(page.height, page.width, request.max_pixels)
    if page.raw:
        raise Rejected("unsupported_format", "camera raw is not decoded; convert the file to JPEG, PNG or TIFF")
    if not _known(page):
        raise _unsupported(page)
    if page.bits[0] == 16 and page.photometric == _RGB:
        return _opencv(data, page, number, request)
    try:
        highest = (1 << page.bits[0]) - 1
        return codec_pillow.decode(data, "TIFF", request, number, highest, page.photometric == _WHITE_IS_ZERO)
    except Rejected as why:
        raise _unsupported(page) if why.reason == "not_an_image" else why from None


def _unsupported(page: _Page) -> Rejected:
    return Rejected("unsupported_mode", f"{page.describe()}; convert it to gray or RGB of 8 or 16 bits")


def _pages(data: bytes) -> list[_Page]:
    """What can be read of them; the first ones where the file is damaged."""
    found: list[_Page] = []
    try:
        tags = ImageFileDirectory_v2(data[:8])
        file, seen = BytesIO(data), set[int]()
        while tags.next and tags.next not in seen and len(found) < MOST_PAGES:
            seen.add(start := tags.next)
            file.seek(start)
            tags.load(file)
            if not _whole(tags, data, start):
                break
            found.append(_page(tags))
    except Exception:  # as in codec_pillow: a damaged directory leads Pillow to whatever error
        return found
    return found


def _whole(tags: ImageFileDirectory_v2, data: bytes, start: int) -> bool:
    """Whether all values that decide on pixels lie within the file; Pillow skips others, with a warning."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], order)
    entries = (int.from_bytes(data[at : at + 2], order) for at in range(start + 2, end, 12))
    return end <= len(data) and all(tag in tags for tag in entries if tag in _DECISIVE)


def _page(tags: ImageFileDirectory_v2) -> _Page:
    def some(tag: int, default: int) -> tuple[int, ...]:
        value = tags.get(tag, default)
        return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)

    def one(tag: int, default: int) -> int:
        return some(tag, default)[0]

    raw = one(_PHOTOMETRIC, 0) in _SENSOR or one(_COMPRESSION, 1) in (_KODAK, _SONY, _NIKON) or _DNG in tags
    extra = some(_EXTRA, 0) if _EXTRA in tags else ()
    return _Page(
        one(_HEIGHT, 0),
        one(_WIDTH, 0),
        some(_BITS, 1),
        some(_FORMAT, 1),
        one(_SAMPLES, 1),
        extra,
        one(_PHOTOMETRIC, 0),
        one(_PLANAR, 1) == 2,
        one(_COMPRESSION, 1),
        one(_NEW_SUBFILE, 0),
        raw,
    )


def _only(pages: list[_Page]) -> tuple[int, _Page]:
    """Number and tags of the one page that is neither a smaller copy nor a mask. Raises Rejected where there are several."""
    whole = [number for number, page in enumerate(pages) if not page.subfile & (_REDUCED | _MASK)] or [0]
    if len(whole) > 1:
        raise Rejected("animated", f"{counted(len(whole), 'frame or page', 'frames or pages')}")
    return whole[0], next((page for page in pages if page.raw), pages[whole[0]])


def _known(page: _Page) -> bool:
    """Whether pixels come out as every viewer shows them; Pillow itself refuses some more."""
    bits = page.bits[0]
    if set(page.bits) != {bits} or bits > 16 or not set(page.formats) <= set(_UNSIGNED) or page.compression == _WEBP:
        return False
    if page.samples == 1:
        return True
    color = page.photometric == _RGB and page.samples - len(page.extra) == 3
    if bits == 16:
        inks = page.photometric == _CMYK and page.samples == 4
        return (
            not page.planar
            and page.compression in _COMMON
            and (inks or (color and page.samples <= 4 and _PREMULTIPLIED not in page.extra))
        )
    return bits == 8 and (color or not page.planar)


def _opencv(data: bytes, page: _Page, number: int, request: Request) -> Raw:
    """Color of 16 bits, of which Pillow keeps the higher 8; OpenCV turns it upright as Pillow does."""
    found, images = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(number, number + 1))
    if not found or images[0].dtype != np.uint16 or images[0].ndim != 3:
        raise Rejected("corrupt", f"{page.describe()}: its pixels are damaged or too few")
    image = images[0][..., [2, 1, 0, 3][: images[0].shape[2]]]
    if page.extra and page.extra[0] == _NO_ALPHA:
        image = image[..., :3]
    return Raw(to_eight_bits(image, request), page.height, page.width, "RGBA" if image.shape[2] == 4 else "RGB", bits=16)
