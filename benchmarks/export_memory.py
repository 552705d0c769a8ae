"""Peak memory of an application that classifies one large photo with an exported ONNX graph, as docs/use-the-model.md shows it.

    python -m benchmarks.export_memory runs/export/model.onnx --sizes 4000x3000 8000x6000 --tries 3

Each try is a process of its own: the JPEG is decoded by Pillow, the graph resizes it. Peak: the largest resident set (MiB).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

THREADS = 1


def photo(width: int, height: int, path: Path) -> None:
    """A JPEG of smooth noise."""
    from PIL import Image

    small = np.random.default_rng(0).integers(0, 256, (height // 40, width // 40, 3), np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)


def classify(model: str, path: str) -> str:
    """What an application does, and what it took: seconds and the peak in MiB, before the photo and after."""
    import onnxruntime
    from PIL import Image, ImageOps

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(model, options)
    session.run(None, {"images": np.zeros((1, 64, 64, 3), np.uint8)})
    before, began = peak(), time.perf_counter()
    image = ImageOps.exif_transpose(Image.open(path))
    session.run(None, {"images": np.asarray(image.convert("RGB"))[None]})
    return f"{before:.0f} {peak():.0f} {time.perf_counter() - began:.1f}"


def peak() -> float:
    """The largest resident set of this process so far, in MiB. Not of `getrusage`: that begins with what the parent had."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--sizes", nargs="+", default=["4000x3000", "8000x6000"])
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--one", help="classify this file in this process")
    chosen = parser.parse_args()
    if chosen.one:
        print(classify(chosen.model, chosen.one))
        return
    print("| photo | peak before it, MiB | peak, MiB | bytes per pixel | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            width, height = map(int, size.split("x"))
            photo(width, height, Path(folder, "photo.jpg"))
            command = [sys.executable, "-m", "benchmarks.export_memory", chosen.model, "--one", f"{folder}/photo.jpg"]
            tries = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(chosen.tries)]
            before, most, seconds = zip(*(map(float, line.split()) for line in tries), strict=True)
            each = [(b - a) * 2**20 / (width * height) for a, b in zip(before, most, strict=True)]
            cells = [f"{min(v):.{d}f} to {max(v):.{d}f}" for v, d in ((before, 0), (most, 0), (each, 0), (seconds, 1))]
            print(f"| {size} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
