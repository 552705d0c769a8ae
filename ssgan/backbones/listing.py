"""The backbones of this machine as lines for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch

from ssgan.backbones import Backbone, embedded, load, record_of
from ssgan.machine import cores

TRIAL, BATCH = 4, 4  # forward passes of a trial of speed, images in each
MIB = 1 << 20


def lines() -> Iterator[str]:
    """One for each backbone whose weights are here: name, size of an image, dimension, megabytes, license, speed."""
    yield f"{'backbone':32} {'pixels':>6} {'dims':>7} {'MB':>6}  {'license':14} images/s here"
    for name, backbone, weights in here():
        speed = f"{images_per_second(backbone, weights):,.0f}"
        flag = " (restricted)" if backbone.restricted else ""
        size = weights.stat().st_size / MIB
        yield f"{name:32} {backbone.size:6} {backbone.dimension:7} {size:6.0f}  {backbone.license + flag:14} {speed}"
    yield "more: `ssgan backbones fetch timm:ARCHITECTURE`, or a local file in features.weights"


def here() -> Iterator[tuple[str, Backbone, Path]]:
    """Name, record and weights of the embedded backbone and of those in the cache of Hugging Face."""
    yield embedded.NAME, embedded.record(), embedded.weights()
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = sorted(scan_cache_dir().repos, key=lambda repository: repository.repo_id)
    except CacheNotFound:
        return
    for repository in repositories:
        owner, _, architecture = repository.repo_id.partition("/")
        files = [
            file.file_path
            for revision in repository.revisions
            for file in revision.files
            if file.file_name == "model.safetensors"
        ]
        if owner == "timm" and files:
            yield f"timm:{architecture}", record_of("timm", architecture, files[0]), files[0]


@torch.inference_mode()
def images_per_second(backbone: Backbone, weights: Path) -> float:
    """Of the network alone, on the cores of this machine: each has one of its own, as in the stage ``features``."""
    network = load(backbone, weights)
    images = torch.zeros(BATCH, 3, backbone.size, backbone.size, dtype=torch.uint8)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network(images)
        begun = time.perf_counter()
        for _ in range(TRIAL):
            network(images)
        return TRIAL * BATCH * cores() / (time.perf_counter() - begun)
    finally:
        torch.set_num_threads(before)
