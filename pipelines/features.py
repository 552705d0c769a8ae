"""Stage ``features``: originals of data/index -> data/features/<backbone>.

DVC leaves what is there before a run (``persist: true``): only images that this backbone has never seen are read. Without
``features.backbone`` there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ssgan.config import Config, load
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.backbones import Network
    from ssgan.features.compute import FeaturePool

OUT = Path("data/features")
ABOUT = "One folder for each backbone that has seen the images; none where features.backbone is null.\n"


def run() -> None:
    """Read params.yaml, make what is missing and say what happened."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "README.txt").write_text(ABOUT)  # DVC warns of an empty folder in every stage that follows
    config = load()
    if config.features.backbone:
        features(config)


def features(config: Config) -> None:
    """Features of the backbone of ``features``."""
    from ssgan import backbones
    from ssgan.data.decode import DecodeLimits
    from ssgan.data.sources import make_source
    from ssgan.features.compute import FeatureJob
    from ssgan.features.extract import extract
    from ssgan.features.progress import ProgressLine

    backbone, weights = backbones.find(config.features, config.data.deep_bits)
    c, limits = config.features, DecodeLimits.of(config.data)
    job = FeatureJob(make_source(config.data.source), backbone, c.views, limits, c.batch_size)
    line = ProgressLine(partial(print, flush=True))
    done = extract(job, Path("data/index"), OUT / backbone.key, _pool(config, partial(backbones.load, backbone, weights)), line)
    print(f"features: {backbone.name}, {counted(backbone.dimension, 'dimension')}, views {c.views}, {done.describe()}")


def _pool(config: Config, load: Callable[[], Network]) -> FeaturePool:
    if config.features.workers == "ray":
        from ssgan.features.on_ray import ray_pool

        return ray_pool(config.data.source, config.features)
    from ssgan.features.compute import device_of, here

    return here(load, device_of(config.train.device))
