"""How fast is the stage ``features``, next to its network alone and to the loop that people write, on the same cores and files?

    python -m benchmarks.features_speed [--images FOLDER] [--count 500] [--rounds 5] [--backbone efficientnet_lite0]

In turns A B C D, D C B A, ...; ratios are within a round, so that a busy machine is busy for all:

A  the network alone: the same one (normalizations folded), one process for each core with one thread, batches of the same
   size, on pixels that are decoded and in memory already. Nothing is read and nothing is written.
B  the engine of the stage: listing, reading, checking by sha256, decoding, network, shards. The start of its processes counts,
   the loading of weights (once a stage) does not.
C  timm's network as it is (torch's threads, evaluation mode, inference_mode), torchvision's ImageFolder and transforms, a
   DataLoader with a worker for each core. Weights are loaded before as well; the start of the workers counts.
D  C with channels_last, for those who know it.

--images: a folder of images, with or without class folders; default: JPEG files of 500 x 375 pixels, made here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image

from ssgan import backbones
from ssgan.backbones import Network
from ssgan.config import DataConfig, FeaturesConfig, FolderSource
from ssgan.data.decode import DecodeLimits
from ssgan.data.images import ingest
from ssgan.data.pools import in_order, local_pool
from ssgan.data.sources import make_source
from ssgan.features.compute import FeatureJob, Pixels, features, here, one_thread
from ssgan.features.extract import extract
from ssgan.machine import cores

LOOP_BATCH = 64  # of C and D
IN_MEMORY = 64  # images of A, again and again
KIND: Literal["processes"] = "processes"


class Setting(NamedTuple):
    """What is measured."""

    folder: Path  # of images, in class folders
    images: int
    data: Path  # after an ingest
    backbone: backbones.Backbone
    weights: Path
    network: Network

    @property
    def job(self) -> FeatureJob:
        limits = DecodeLimits.of(DataConfig())
        return FeatureJob(make_source(FolderSource(path=str(self.folder))), self.backbone, 1, limits)


def make_images(folder: Path, count: int) -> None:
    """Smooth random JPEG files."""
    (folder / "made").mkdir(parents=True)
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"made/{number:05d}.jpg", quality=90)


def link_images(source: Path, folder: Path, count: int) -> None:
    """As many images of a folder, spread over it, in one class folder."""
    (folder / "linked").mkdir(parents=True)
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for number, path in enumerate(files[:: max(1, len(files) // count)][:count]):
        os.symlink(path.absolute(), folder / f"linked/{number:05d}{path.suffix}")


def prepared(images: Path | None, count: int, backbone: str, folder: Path) -> Setting:
    """Images, an ingest, and the network."""
    raw, data = folder / "raw", folder / "data"
    if images:
        link_images(images, raw, count)
    else:
        make_images(raw, count)
    summary = ingest(make_source(FolderSource(path=str(raw))), DataConfig(image_size=32, channels=3, resize="crop"), data)
    record, weights = backbones.find(FeaturesConfig(backbone=backbone))
    return Setting(raw, summary.accepted, data, record, weights, backbones.load(record, weights))


def network_alone(setting: Setting) -> float:
    """A: seconds."""
    size, batch = setting.backbone.size, setting.job.images("cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (IN_MEMORY, 3, size, size), np.uint8)
    starts = range(0, setting.images, batch)

    def work(start: int) -> Pixels:
        at = start % (IN_MEMORY - batch + 1)
        return features(setting.network, pixels[at : at + min(batch, setting.images - start)]).view(np.uint8)

    begun = time.perf_counter()
    with one_thread(), local_pool(work, KIND, cores(), batch) as pool:
        done = sum(len(out) for _, out in in_order(pool, iter(starts)))
    assert done == setting.images
    return time.perf_counter() - begun


def engine(setting: Setting) -> float:
    """B: seconds."""
    with tempfile.TemporaryDirectory(dir=setting.data.parent) as out:
        begun = time.perf_counter()
        done = extract(setting.job, setting.data / "index", Path(out), here(lambda: setting.network, kind=KIND))
        assert done.computed == setting.images
        return time.perf_counter() - begun


def usual_loop(setting: Setting, memory_format: torch.memory_format) -> float:
    """C and D: seconds."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    record = setting.backbone
    steps = [transforms.Resize(record.image.image_size), transforms.CenterCrop(record.size), transforms.ToTensor()]
    transform = transforms.Compose([*steps, transforms.Normalize(record.mean, record.std)])
    network = usual_network(setting).to(memory_format=memory_format)
    begun = time.perf_counter()
    loader = DataLoader(datasets.ImageFolder(str(setting.folder), transform), LOOP_BATCH, num_workers=cores())
    with torch.inference_mode():
        batches = (images.contiguous(memory_format=memory_format) for images, _ in loader)
        found = [network.forward_head(network.forward_features(images), pre_logits=True) for images in batches]
    np.save(setting.data.parent / "loop.npy", torch.cat(found).numpy())
    return time.perf_counter() - begun


def usual_network(setting: Setting) -> Any:
    """timm's, as it is."""
    trunk: Any = backbones.provider(setting.backbone.provider).build(setting.backbone, setting.weights)
    return trunk.network.eval()


def measured(runs: Mapping[str, Callable[[], float]], rounds: int, images: int) -> dict[str, list[float]]:
    """Images a second of each, by round; every other round in the opposite order."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(images / runs[name]())
        rates = ", ".join(f"{name} {values[-1]:.1f}/s" for name, values in found.items())
        print(f"round {number + 1}: {rates}; load {os.getloadavg()[0]:.1f}", flush=True)
    return found


def ratio(found: Mapping[str, list[float]], one: str, other: str) -> str:
    """Of rates, within the rounds: median and range."""
    values = [a / b for a, b in zip(found[one], found[other], strict=True)]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of images; default: made here")
    parser.add_argument("--count", type=int, default=500, help="images of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="efficientnet_lite0", help="of timm")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ssgan-features-") as folder:
        setting = prepared(args.images, args.count, args.backbone, Path(folder))
        runs = {"A": partial(network_alone, setting), "B": partial(engine, setting)}
        formats = {"C": torch.contiguous_format, "D": torch.channels_last}
        runs |= {name: partial(usual_loop, setting, each) for name, each in formats.items()}
        found = measured(runs, args.rounds, setting.images)
    print(
        f"\n{setting.backbone.name} at {setting.backbone.size}, {setting.images} images, {cores()} cores, {args.rounds} rounds"
    )
    for name, what in {"A": "network alone", "B": "stage features", "C": "timm + DataLoader", "D": "and channels_last"}.items():
        rates = found[name]
        print(f"  {name} {what:20}{statistics.median(rates):8.1f} images/s  ({min(rates):.1f} to {max(rates):.1f})")
    print(f"  B / A {ratio(found, 'B', 'A')}\n  B / C {ratio(found, 'B', 'C')}\n  B / D {ratio(found, 'B', 'D')}")


if __name__ == "__main__":
    main()
