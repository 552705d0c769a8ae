"""What an ingest costs after another one: nothing new, and a few new images more.

    python -m benchmarks.delta [--images 20000] [--share 0.01] [--side 256] [--rounds 3]

Makes so many JPEG files of SIDE x SIDE pixels (smooth noise, RGB, quality 90; all different) in a temporary folder, ingests
all but the SHARE (full), ingests again (idle), puts the rest in their places, and ingests once more (delta). Seconds are of the
call of ``ingest``, without the start of Python; ``start-up`` is an ingest of ten files, which all of them pay.
Ratios of CPU hardly depend on what else the machine does. Decoded to 64 x 64 RGB. --png FOLDER: the files CLASS/image.png of
a folder instead, gray, 28 x 28.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from ssgan.config import DataConfig
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.sources.folder import RACY_NS, Folder
from ssgan.machine import cores

Cost = tuple[float, float]  # seconds by the clock, seconds of CPU (over this process and those that it started)
Timed = Callable[[Path], tuple[Cost, IngestSummary]]


def make_jpegs(folder: Path, count: int, side: int) -> list[Path]:
    """``count`` pictures in ten class folders."""
    for k in range(10):
        (folder / f"class-{k}").mkdir(parents=True)

    def make(i: int) -> Path:
        small = np.random.default_rng(i).integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
        picture = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
        path = folder / f"class-{i % 10}" / f"{i:06d}.jpg"
        path.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
        return path

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(make, range(count)))


def copy_pngs(source: Path, folder: Path, count: int) -> list[Path]:
    """Copies of ``count`` files, spread over all classes."""
    chosen = sorted(source.rglob("*.png"))
    chosen = chosen[:: max(1, len(chosen) // count)][:count]
    paths = [folder / path.relative_to(source) for path in chosen]
    for path, target in zip(chosen, paths, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return paths


def shards(out: Path) -> dict[str, str]:
    """sha256 of every shard."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((out / "images").iterdir())}


def one_round(new: list[Path], work: Path, timed: Timed) -> tuple[dict[str, Cost], float]:
    """What each ingest costs, and the share of shards that the delta left alone; checks what they did."""
    out, aside = work / "out", work / "aside"
    aside.mkdir()
    for number, path in enumerate(new):
        os.rename(path, aside / str(number))
    time.sleep(RACY_NS / 1e9 + 0.5)  # files that have just changed are not trusted
    full, _ = timed(out)
    before = shards(out)
    idle, summary = timed(out)
    assert summary.read <= 1 + summary.seen // 1000
    assert summary.decoded == 0
    assert shards(out) == before
    for number, path in enumerate(new):
        os.rename(aside / str(number), path)
    aside.rmdir()
    time.sleep(RACY_NS / 1e9 + 0.5)
    delta, summary = timed(out)
    after = shards(out)
    assert summary.decoded == len(new)
    same = sum(after.get(name) == value for name, value in before.items())
    shutil.rmtree(out)
    return {"full": full, "idle": idle, "delta": delta}, same / len(before)


def measure(raw: Path, paths: list[Path], share: float, config: DataConfig, rounds: int) -> None:
    """Print the table."""

    def timed(out: Path, folder: Path = raw) -> tuple[Cost, IngestSummary]:
        start, before = time.perf_counter(), _cpu_seconds()
        summary = ingest(Folder(str(folder), "classes"), config, out)
        return (time.perf_counter() - start, _cpu_seconds() - before), summary

    new = paths[:: max(1, round(1 / share))]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for path in paths[:10]:
            target = work / "ten" / path.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        timed(work / "warm", work / "ten")
        ten = [timed(work / f"ten-{i}", work / "ten")[0] for i in range(5)]
        found = [one_round(new, work, timed) for _ in range(rounds)]
    print(f"{len(paths)} files, {len(new)} of them new, {cores()} cores, {rounds} rounds: median (lowest to highest)")
    for kind, what in enumerate(("clock", "CPU")):
        start_up = statistics.median(cost[kind] for cost in ten)
        print(f"  {what}: start-up {start_up:.3f} s")
        for name in ("full", "idle", "delta"):
            values = [costs[name][kind] for costs, _ in found]
            ratios = [(costs[name][kind] - start_up) / (costs["full"][kind] - start_up) for costs, _ in found]
            share_of_full = (
                f"{statistics.median(ratios):.1%} of full ({min(ratios):.1%} to {max(ratios):.1%}) without the start-up"
            )
            print(f"    {name:<6}{statistics.median(values):>8.3f} s ({min(values):.3f} to {max(values):.3f}), {share_of_full}")
    print(f"  shards with the same bytes as before the delta: {min(same for _, same in found):.0%}")


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.01, help="of the images that are new")
    parser.add_argument("--side", type=int, default=256, help="pixels of the JPEG files")
    parser.add_argument("--png", help="folder CLASS/image.png, instead of made-up JPEG files")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        if args.png:
            paths, config = copy_pngs(Path(args.png), raw, args.images), DataConfig(image_size=28, channels=1)
        else:
            paths, config = make_jpegs(raw, args.images, args.side), DataConfig(image_size=64, channels=3)
        measure(raw, paths, args.share, config, args.rounds)


if __name__ == "__main__":
    main()
