"""Networks of torchvision, with weights from a local file; preprocessing is that of the weights enum.

``torchvision:resnet50`` takes the architecture's default weights enum, ``torchvision:resnet50.IMAGENET1K_V1`` another one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from ssgan.backbones.record import Backbone
from ssgan.errors import ConfigError
from ssgan.provenance import file_sha256


class Trunk(nn.Module):
    """(N, 3, S, S) normalized -> what the last layer gets."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.network(x).flatten(1)]


def record(architecture: str, weights: Path) -> Backbone:
    """What torchvision says of weights, which are in a local file."""
    name, _, entry = architecture.partition(".")
    weights_enum = _enum(name, entry)
    transforms, license = weights_enum.transforms(), weights_enum.meta.get("license")
    size, whole = int(transforms.crop_size[0]), int(transforms.resize_size[0])
    with torch.no_grad():
        dimension = Trunk(_headless(name).eval())(torch.zeros(1, 3, size, size))[0].shape[1]
    return Backbone(
        name=architecture,
        provider="torchvision",
        architecture=architecture,
        sha256=file_sha256(weights),
        size=size,
        resize="crop",
        crop_share=size / whole,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        pooling="avg",
        parts=(dimension,),
        license=license or "BSD-3-Clause",  # of torchvision itself; weights that have another one say so
        restricted=license is not None,
        source=f"https://pytorch.org/vision, {weights_enum}",
    )


def build(backbone: Backbone, weights: Path) -> nn.Module:
    """The network with its weights. Raises ConfigError where the file does not fit it."""
    name = backbone.architecture.partition(".")[0]
    network = models.get_model(name, weights=None)
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ConfigError(f"{weights} does not fit {name}: {str(error).splitlines()[-1].strip()}") from None
    return Trunk(_without_head(network).to(memory_format=torch.channels_last))


def _enum(name: str, entry: str) -> Any:
    try:
        weights = models.get_model_weights(name)
        return weights[entry] if entry else weights.DEFAULT
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"`features.backbone` names {name}{'.' + entry if entry else ''}, which torchvision does not have ({error}); see "
            "torchvision.models.list_models()"
        ) from None


def _headless(name: str) -> nn.Module:
    return _without_head(models.get_model(name, weights=None))


def _without_head(network: nn.Module) -> nn.Module:
    """The network with its last linear layer replaced by the identity; of a sequence only the last one."""
    for head in ("fc", "classifier", "head", "heads"):
        layer = getattr(network, head, None)
        if isinstance(layer, nn.Linear):
            setattr(network, head, nn.Identity())
            return network
        if isinstance(layer, nn.Sequential) and isinstance(layer[-1], nn.Linear):
            layer[-1] = nn.Identity()
            return network
    raise ConfigError(f"{type(network).__name__} of torchvision has no last linear layer to take away; use its twin in timm")
