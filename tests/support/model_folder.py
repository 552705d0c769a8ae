"""A folder as training leaves it, without a training."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem

CLASSES = ["ant", "bee", "größe"]
SIZES = {"improved_gan": 32, "compact": 16}


def write_model(folder: Path, name: str, family: str) -> Path:
    """A model folder as training leaves it, with random weights."""
    torch.manual_seed(7)
    spec = ImageSpec(3, SIZES.get(family, 8), "fit")
    net, config = NetConfig(family=family, width=0.1, latent_dim=10), methods.resolve_config(name, {})
    method = methods.build(name, config, Problem(spec, len(CLASSES), net))
    description = {
        "format": 1,
        "method": name,
        "method_config": config.model_dump(),
        "net": net.model_dump(),
        "image": spec._asdict(),
        "classes": CLASSES,
        "steps": 5,
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(description))
    save_file({k: v.contiguous() for k, v in method.nets.state_dict().items()}, folder / "model.safetensors")
    return folder
