"""Stage ``features``: originals of data/images -> data/features/<backbone>.

DVC leaves what is there before a run (``persist: true``): only images that this backbone has never seen are read. Without
``features.backbone`` there is nothing to do, and methods learn on pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ssgan.config import Config, load

OUT = Path("data/features")
ABOUT = "One folder for each backbone that has seen the images; none where features.backbone is null.\n"


def run() -> None:
    """Read params.yaml, make what is missing and say what happened."""
    config = load()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "README.txt").write_text(ABOUT)  # DVC warns of an empty folder in every stage that follows
    if config.features.backbone:
        features(config)


def features(config: Config) -> None:
    """Features of the backbone of ``features``."""
    from ssgan import backbones
    from ssgan.data.decode import DecodeLimits
    from ssgan.data.sources import make_source
    from ssgan.features.extract import FeatureJob, extract
    from ssgan.features.progress import ProgressLine
    from ssgan.machine import cores

    backbone, weights = backbones.find(config.features)
    network = backbones.load(backbone, weights)
    source, c = make_source(config.data.source), config.features
    job = FeatureJob(
        source, network, c.views, DecodeLimits.of(config.data), c.batch_size, c.workers or max(cores(), source.threads)
    )
    done = extract(job, Path("data/images"), OUT / backbone.key, ProgressLine(partial(print, flush=True)))
    speed = f", {done.computed / done.seconds:,.0f} images/s" if done.computed else ""
    print(
        f"features: {backbone.name}, {backbone.dimension} numbers, views {c.views}, of {done.images:,} images; "
        f"{done.computed:,} new{speed}; {done.kept} of {done.shards} shards as they were"
    )
