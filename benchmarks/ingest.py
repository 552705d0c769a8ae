"""How fast is ``ingest``, next to what people use instead, on the same machine and the same files.

    python -m benchmarks.ingest --png FOLDER [--jpeg FOLDER] [--ray] [--rounds 5]

--png: a folder CLASS/image of small gray PNG files (MNIST), against torchvision's ImageFolder + Grayscale + ToTensor in a
DataLoader with 0 and with 2 workers. --jpeg: a folder of JPEG files, against Pillow's full decode + resize to 64 x 64 in as
many processes as there are cores. ``ingest`` does more than either: it also hashes each file, finds duplicates, rejects
damaged files, and writes Parquet. --ray: instead, the PNG files by the tasks of a local two-node Ray cluster, against the
machine's own workers: rates, memory over time, and whether the bytes agree (``benchmarks/ingest_ray.py``). Rounds are
interleaved, so that a busy machine is busy for all; ratios are per round.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ssgan.config import DataConfig
from ssgan.data.images import ingest
from ssgan.data.pools import WorkerKind
from ssgan.data.sources.folder import Folder
from ssgan.machine import cores

Run = tuple[int, float]  # images, seconds
LIMIT = 20_000  # images that the slow side reads per round; its rate does not depend on it


def run_ingest(folder: str, size: int, channels: int, kind: WorkerKind) -> Run:
    """A whole ingest, from listing to the last shard."""
    config = DataConfig.model_validate({"image_size": size, "channels": channels})
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        return ingest(Folder(folder), config, Path(out), kind=kind).seen, time.perf_counter() - start


def run_loader(folder: str, workers: int) -> Run:
    """One pass of ImageFolder + DataLoader over at most LIMIT images."""
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    images = datasets.ImageFolder(folder, transforms.Compose([transforms.Grayscale(), transforms.ToTensor()]))
    step = max(1, len(images) // LIMIT)
    part = Subset(images, range(0, len(images), step))
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in DataLoader(part, batch_size=256, num_workers=workers))
    return count, time.perf_counter() - start


def pillow_one(path: str) -> int:
    """Full decode and resize by Pillow."""
    from PIL import Image

    with Image.open(path) as image:
        return len(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR).tobytes())


def run_pillow(folder: str) -> Run:
    """Pillow in one process per core, their start included, as it is for ``ingest``."""
    paths = [str(path) for path in Path(folder).rglob("*.jp*g")][:LIMIT]
    start = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(cores()) as pool:
        pool.map(pillow_one, paths, chunksize=64)
        pool.close()
        pool.join()
    return len(paths), time.perf_counter() - start


def measure(run: Callable[[], Run]) -> tuple[float, float]:
    """(images per second, microseconds of CPU per image, over this process and those that it started)."""
    before = _cpu_seconds()
    images, seconds = run()
    return images / seconds, (_cpu_seconds() - before) / images * 1e6


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def compare(title: str, ours: Mapping[str, Callable[[], Run]], theirs: Mapping[str, Callable[[], Run]], rounds: int) -> None:
    """Print a table of rates, CPU and spread, and the ratio of the first of ``ours`` to the best of ``theirs`` per round."""
    runs = {**ours, **theirs}
    for run in runs.values():
        run()  # warm the page cache and the imports
    found = {name: [] for name in runs}  # type: dict[str, list[tuple[float, float]]]
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(measure(run))
    print(f"\n{title}, {cores()} cores, {rounds} interleaved rounds")
    print(f"  {'':<32}{'images/s':>10}  {'(lowest to highest)':<24}{'CPU us/image':>12}")
    for name, values in found.items():
        rates, cpu = [rate for rate, _ in values], [us for _, us in values]
        spread = f"({min(rates):,.0f} to {max(rates):,.0f})"
        print(f"  {name:<32}{statistics.median(rates):>10,.0f}  {spread:<24}{statistics.median(cpu):>12.1f}")
    first = next(iter(ours))
    ratios = [found[first][i][0] / max(found[name][i][0] for name in theirs) for i in range(rounds)]
    print(f"  {first} / best of the others: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def main() -> None:
    """Parse the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--png", help="folder CLASS/image of small gray PNG files")
    parser.add_argument("--jpeg", help="folder of JPEG files")
    parser.add_argument("--ray", action="store_true", help="compare a local Ray cluster with the machine's own workers")
    parser.add_argument("--size", type=int, default=28, help="image_size for --png")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if not (args.png or args.jpeg):
        parser.error("give --png FOLDER, --jpeg FOLDER or both")
    if args.ray:
        from benchmarks import ingest_ray

        if not args.png:
            parser.error("--ray needs --png FOLDER")
        ingest_ray.compare(args.png, args.size, args.rounds)
        return
    kinds: list[WorkerKind] = ["auto", "threads", "processes"]
    if args.png:
        ours = {f"ingest, {k}": partial(run_ingest, args.png, args.size, 1, k) for k in kinds}
        theirs = {f"ImageFolder + DataLoader({n})": partial(run_loader, args.png, n) for n in (0, 2)}
        compare(f"PNG to {args.size} x {args.size} gray", ours, theirs, args.rounds)
    if args.jpeg:
        ours = {f"ingest, {k}": partial(run_ingest, args.jpeg, 64, 3, k) for k in kinds}
        compare("JPEG to 64 x 64 RGB", ours, {"Pillow": lambda: run_pillow(args.jpeg)}, args.rounds)


if __name__ == "__main__":
    main()
