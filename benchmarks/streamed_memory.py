"""Does the memory of a streamed training grow with the number of images? Its peak on few and on many.

Makes a data set of each size with the project's own stages (random ids; pixels are noise, the same over and over) and trains
feature matching on it for some steps in a process of its own, the unlabeled set streamed. 10^6 images of 64x64 in color take
12.3 GB of disk; data sets are deleted at the end.

    python -m benchmarks.streamed_memory --images 10000 1000000 --steps 200
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.at_scale.measure import MadeUp, Peak
from ssgan.config import Config, DataConfig, ImageSpec, LoaderConfig, MethodSelection, NetConfig, SplitConfig, TrainConfig
from ssgan.data.decode import Header
from ssgan.data.images import ingest
from ssgan.data.pools import WorkerPool
from ssgan.data.signatures import THUMB, Signatures
from ssgan.data.sources import Item
from ssgan.data.workers import DecodeJob, IngestPool, Prepared

SPEC, BATCH = ImageSpec(3, 64, "fit"), 2048


@contextmanager
def noise(job: DecodeJob) -> Iterator[IngestPool]:
    """Workers whose every answer is the same noise, with other ids and signatures: no image is a duplicate."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (BATCH, *SPEC.shape), np.uint8)

    def begin(items: list[Item]) -> Callable[[], Prepared]:
        n = len(items)
        hashes = random.integers(0, 1 << 63, (2, n)).astype(np.uint64)
        made_up = Signatures(hashes[0], random.integers(0, 256, (n, THUMB * THUMB), np.uint8), hashes[1])
        digests = random.integers(0, 256, (n, 32), np.uint8).tobytes()
        ids: list[tuple[bytes, int] | None] = [(digests[32 * i : 32 * i + 32], 2000) for i in range(n)]
        return lambda: Prepared(list(range(n)), [Header(64, 64, "RGB")] * n, pixels[:n], made_up, [], ids)

    yield WorkerPool(begin, lambda: 4, BATCH)


def write(folder: Path, images: int) -> None:
    """Stages ingest and split; val and test have 1,000 images, however many there are."""
    from ssgan.data.splits import split

    data = DataConfig(image_size=SPEC.image_size, channels=3)
    ingest(MadeUp(images), data, folder, remote_pool=noise)  # type: ignore[arg-type]
    config = SplitConfig(mode="benchmark", num_labels=100, val_target=1000, test_target=1000, near_duplicate_bits=0)
    split(folder, folder / "splits", config, folder / "duplicates.parquet", None)


def train(folder: Path, steps: int) -> dict[str, float]:
    """Peak memory of this process, which trains: all of it, and what is its own (no page of a file or a library)."""
    import torch

    from ssgan.data.files import SplitFiles
    from ssgan.storage.store import open_store
    from ssgan.training import experiment
    from ssgan.training.context import Run, RunContext

    torch.set_num_threads(1)
    files = SplitFiles(str(folder / "splits"))
    config = Config(
        train=TrainConfig(steps=steps, val_every=steps, checkpoint_every=steps, twin=False),
        loader=LoaderConfig(memory_budget=1),
        method=MethodSelection(name="feature_matching"),
        net=NetConfig(family="compact", width=0.25),
    )
    context = RunContext(open_store(str(folder / "runs")), torch.device("cpu"), lambda role, event: None)
    with Peak() as own:
        experiment.train(Run("run", {}, config, files), "main", context)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"unlabeled": files.num_rows("unlabeled"), "peak_mb": rss, "own_mb": own.bytes / 2**20, "seconds": own.seconds}


def in_process(kind: str, folder: Path, number: int) -> str:
    command = [sys.executable, "-m", "benchmarks.streamed_memory", "--one", kind, str(folder), str(number)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "FOLDER", "NUMBER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, folder, number = arguments.one
        if kind == "write":
            write(Path(folder), int(number))
        else:
            print(json.dumps(train(Path(folder), int(number))))
        return
    for images in arguments.images:
        with tempfile.TemporaryDirectory(prefix="ssgan-streamed-") as name:
            began = time.monotonic()
            in_process("write", Path(name), images)
            written = time.monotonic() - began
            found = json.loads(in_process("train", Path(name), arguments.steps))
        print(
            f"{images:,} images ({found['unlabeled']:,.0f} unlabeled), {arguments.steps} steps in {found['seconds']:.0f} s: "
            f"peak {found['peak_mb']:,.0f} MB, of it {found['own_mb']:,.0f} MB of the training's own; "
            f"written in {written:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
