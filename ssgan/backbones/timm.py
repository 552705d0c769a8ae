"""Networks of timm (pytorch-image-models), with weights from a local file.

Features are the pooled last layer, and, where the network is convolutional and says where its stages end, the average over
positions at the end of each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ssgan.backbones.record import Backbone
from ssgan.errors import ConfigError
from ssgan.provenance import file_sha256

FREE = ("apache-2.0", "mit", "bsd-3-clause")


class Trunk(nn.Module):
    """(N, 3, S, S) normalized -> the parts of a feature vector."""

    def __init__(self, network: Any, stages: bool) -> None:
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, x: Tensor) -> list[Tensor]:
        if not self.stages:
            return [self.network.forward_head(self.network.forward_features(x), pre_logits=True)]
        last, ends = self.network.forward_intermediates(x)
        return [self.network.forward_head(last, pre_logits=True), *(end.mean((2, 3)) for end in ends)]


def record(architecture: str, weights: Path) -> Backbone:
    """What timm says of a network, whose weights are in a local file."""
    network = _create(architecture)
    cfg = network.pretrained_cfg
    tuned = _tuned(weights)
    size = int(tuned.get("size", cfg["input_size"][-1]))
    stages = _has_stages(network)
    with torch.no_grad():
        parts = Trunk(network.eval(), stages)(torch.zeros(1, 3, size, size))
    license = str(cfg.get("license") or "unknown")
    return Backbone(
        name=architecture,
        provider="timm",
        architecture=architecture,
        sha256=file_sha256(weights),
        size=size,
        resize="crop",
        crop_share=float(cfg["crop_pct"]),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        pooling=str(getattr(network, "global_pool", "avg") or "avg"),
        parts=tuple(part.shape[1] for part in parts),
        license=license,
        restricted=license.lower() not in FREE,
        source=str(tuned.get("source") or cfg.get("hf_hub_id") or cfg.get("url") or "a local file"),
    )


def build(backbone: Backbone, weights: Path) -> nn.Module:
    """The network with its weights. Raises ConfigError where the file does not fit it."""
    network = _create(backbone.architecture)
    tensors = _read(weights)
    own = network.state_dict()
    if not own.keys() <= tensors.keys():
        tensors = _in_order(own, tensors, weights, backbone.architecture)
    try:
        network.load_state_dict({name: value for name, value in tensors.items() if name in own}, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"{weights} does not fit {backbone.architecture}: {str(error).splitlines()[-1].strip()}") from None
    return Trunk(network.to(memory_format=torch.channels_last), len(backbone.parts) > 1)


def _tuned(weights: Path) -> dict[str, Any]:
    """What ``ssgan backbones tune`` says of weights that it has written: ``size`` and ``source``, among others."""
    if weights.suffix != ".safetensors":
        return {}
    with safe_open(weights, "pt") as file:
        about: dict[str, Any] = json.loads((file.metadata() or {}).get("ssgan", "{}"))
    return about


def _create(architecture: str) -> Any:
    name, _, _ = architecture.partition(".")
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5]) or "see timm.list_models()"
        raise ConfigError(f"`features.backbone` names {architecture!r}, which timm does not have; near: {near}")
    changes: dict[str, Any] = {}
    if "dinov3" in name and name.startswith("vit"):
        changes["global_pool"] = "token"  # what few-shot learning wants; timm's default is the average
    if "dinov2" in name:
        changes["img_size"] = 224  # its native 518 costs fourteen times as much
    return timm.create_model(architecture, pretrained=False, **changes)


def _has_stages(network: Any) -> bool:
    """Whether it is convolutional and can say what each stage gives."""
    return hasattr(network, "forward_intermediates") and hasattr(network, "conv_stem")


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}


def _in_order(own: dict[str, Tensor], tensors: dict[str, Tensor], path: Path, architecture: str) -> dict[str, Tensor]:
    """Weights under the names of another implementation, told by order and shape."""
    names = [name for name in own if not name.endswith("num_batches_tracked")]
    values = [value for name, value in tensors.items() if not name.endswith("num_batches_tracked")]
    if [own[name].shape for name in names] != [value.shape for value in values]:
        raise ConfigError(f"{path} does not hold the weights of {architecture}: names and shapes of its tensors differ")
    return dict(zip(names, values, strict=True))
