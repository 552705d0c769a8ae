"""Damaged and mislabeled files: what our decoders make of them, beside Pillow's.

    python -m benchmarks.fuzz_decode --files 4000

Every file is a seeded mutation of a whole one: cut, bits flipped, its header swapped for that of another file, junk appended,
another format's first bytes, a huge size in its header. Ours must raise nothing but Rejected, and quickly. Then comes Pillow:
what `Image.open(...).convert("RGB")` gives. A file counts as equal where both decode and the mean distance of
pixels is below 2 gray levels. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssgan.data.decode import DecodeLimits, Rejected, decode_within

SIDE = 96  # pixels: no file is larger, so that both decode the whole one
LIMITS = DecodeLimits(max_file_bytes=1 << 20, max_pixels=1 << 20)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
SLOW_S = 5.0  # seconds for one file, above which it counts as one that hangs
Pixels = npt.NDArray[np.uint8]


def whole(fmt: str, draw: random.Random) -> bytes:
    """A small photo-like picture."""
    size = (draw.randint(8, SIDE), draw.randint(8, SIDE))
    rough = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, (6, 6, 3), np.uint8)
    image, out = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC), BytesIO()
    options: dict[str, Any] = {"compression": "tiff_lzw"} if fmt == "TIFF" else {}
    if fmt == "JPEG":
        options = {"quality": draw.choice((50, 90)), "progressive": draw.random() < 0.3}
    image.save(out, fmt, **options)
    return out.getvalue()


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(1, len(data))]


def flip(data: bytes, draw: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        out[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(out)


def swap_header(data: bytes, draw: random.Random) -> bytes:
    other, length = whole(draw.choice(FORMATS), draw), draw.randint(8, 64)
    return other[:length] + data[length:]


def append(data: bytes, draw: random.Random) -> bytes:
    return data + draw.randbytes(draw.randint(1, 400))


def other_name(data: bytes, draw: random.Random) -> bytes:
    """The first bytes of another format: what a wrong extension is to who looks at content."""
    return whole(draw.choice(FORMATS), draw)[: draw.randint(2, 12)] + data[12:]


def huge(data: bytes, draw: random.Random) -> bytes:
    """All bits set in four bytes of the header, where sizes lie."""
    at = draw.randrange(4, min(40, len(data) - 4))
    return data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": cut,
    "bits flipped": flip,
    "header swapped": swap_header,
    "junk appended": append,
    "another format's first bytes": other_name,
    "huge size": huge,
}


def files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(mutation, bytes)."""
    draw = random.Random(seed)
    for number in range(count):
        name = list(MUTATIONS)[number % len(MUTATIONS)]
        yield name, MUTATIONS[name](whole(FORMATS[number // len(MUTATIONS) % len(FORMATS)], draw), draw)


def ours(data: bytes, limits: DecodeLimits) -> Pixels | str:
    """(H, W, 3), or the reason."""
    try:
        return decode_within(data, SIDE, limits)
    except Rejected as why:
        return why.reason


def pillows(data: bytes) -> Pixels | None:
    """(H, W, 3), None where Pillow refuses."""
    try:
        with Image.open(BytesIO(data)) as image:
            return np.asarray(image.convert("RGB")) if image.width * image.height <= LIMITS.max_pixels else None
    except Exception:  # Pillow raises whatever the damage led it to
        return None


def verdict(data: bytes, limits: DecodeLimits) -> tuple[str, str]:
    """How the two compare, and our reason where we refuse."""
    mine, theirs = ours(data, limits), pillows(data)
    if isinstance(mine, str):
        return ("both refuse" if theirs is None else "Pillow alone decodes"), mine
    if theirs is None:
        return "ssgan alone decodes", ""
    same = mine.shape == theirs.shape and np.abs(mine.astype(int) - theirs).mean() < 2
    return ("equal" if same else "both decode, not equal"), ""


def main(count: int, seed: int) -> None:
    """Print the tables."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in MUTATIONS}
    reasons, accepting, slowest = Counter[str](), Counter[str](), 0.0
    for name, data in files(count, seed):
        start = time.perf_counter()
        found, reason = verdict(data, LIMITS)
        slowest = max(slowest, time.perf_counter() - start)
        counts[name][found] += 1
        accepting[verdict(data, LIMITS._replace(damaged="accept"))[0]] += 1
        reasons[reason] += found == "Pillow alone decodes"
    columns = ["equal", "both refuse", "Pillow alone decodes", "ssgan alone decodes", "both decode, not equal"]
    print(f"{count} files, seed {seed}; the slowest took {slowest:.2f} s\n")
    print(f"| mutation | files | {' | '.join(columns)} |\n|---|{'---|' * (1 + len(columns))}")
    for name, row in counts.items():
        print(f"| {name} | {row.total()} | {' | '.join(str(row[column]) for column in columns)} |")
    total = sum(counts.values(), Counter[str]())
    print(f"| all | {total.total()} | {' | '.join(str(total[column]) for column in columns)} |")
    print(f"| all, `data.damaged: accept` | {total.total()} | {' | '.join(str(accepting[column]) for column in columns)} |\n")
    print("Pillow alone decodes: " + ", ".join(f"{number} {reason}" for reason, number in reasons.most_common() if number))
    if slowest > SLOW_S:
        raise SystemExit(f"a file took {slowest:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.files, arguments.seed)
