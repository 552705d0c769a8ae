"""What decides the pixels of an image besides its bytes: shape, limits, and the decoders by version and source text.

Every shard of ``images/`` says by which recipe it was made; pixels made by another one are decoded again.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits

LIBRARIES = ("ssgan", "numpy", "opencv-python-headless", "simplejpeg", "pillow")
CODECS = (
    "codec_jpeg.py",
    "codec_jpeg2000.py",
    "codec_netpbm.py",
    "codec_pillow.py",
    "codec_png.py",
    "codec_tiff.py",
    "exif.py",
)
CODE = (*CODECS, "decode.py", "phash.py", "raw.py", "rejections.py", "signatures.py")


class DecodeRecipe(NamedTuple):
    """``decoders``: "NAME VERSION" of the libraries, and "code SHA256" of the modules that call them."""

    spec: ImageSpec
    limits: DecodeLimits
    decoders: tuple[str, ...]

    def made_by(self) -> dict[str, Any]:
        """What a shard says about itself, besides its shape."""
        return {"limits": self.limits._asdict(), "decoders": list(self.decoders)}


def recipe(spec: ImageSpec, limits: DecodeLimits) -> DecodeRecipe:
    """The recipe of this installation."""
    return DecodeRecipe(spec, limits, (*(f"{name} {number}" for name, number in versions()), f"code {_code()}"))


def versions() -> tuple[tuple[str, str], ...]:
    """(name, version) of what decodes."""
    return tuple((name, version(name)) for name in LIBRARIES)


@cache
def _code() -> str:
    return hashlib.sha256(b"\0".join((Path(__file__).parent / name).read_bytes() for name in CODE)).hexdigest()
