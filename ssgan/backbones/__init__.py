"""Pretrained networks whose features are learned on: one file per provider, after which a backbone is named.

A provider defines two functions:

    record(architecture, weights)   -> Backbone     what is known of it, the sha256 of the local file of weights included
    build(backbone, weights)        -> Trunk        (N, 3, S, S) normalized -> [(N, d), ...], one tensor for each of ``parts``

    record.py   the frozen record that travels with features, models and exports
    known.py    records that were made before on this machine
    license.py  what a model may be used for
    fetch.py    weights from the Hugging Face hub
    network.py  from uint8 images to feature vectors
    folding.py  the same in less time
    embedded.py the backbone that comes with the installation
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from ssgan.backbones import embedded, known
from ssgan.backbones.network import Network
from ssgan.backbones.record import Backbone
from ssgan.config import FeaturesConfig
from ssgan.errors import ConfigError
from ssgan.provenance import file_sha256

PROVIDERS = tuple(known.PACKAGES)

__all__ = ["PROVIDERS", "Backbone", "Network", "find", "load", "record_of", "weights_of"]


class Trunk(Protocol):
    def __call__(self, x: Tensor) -> list[Tensor]: ...


class Provider(Protocol):
    """What a file of this package defines."""

    def record(self, architecture: str, weights: Path) -> Backbone: ...

    def build(self, backbone: Backbone, weights: Path) -> nn.Module: ...


def provider(name: str) -> Provider:
    """The file of this package of that name."""
    return cast(Provider, importlib.import_module(f"ssgan.backbones.{name}"))


def find(config: FeaturesConfig, deep_bits: int | None = None) -> tuple[Backbone, Path]:
    """The record of ``features.backbone``, and the local file of its weights. Raises ConfigError where there is none.

    ``deep_bits``: that of the section ``data``.
    """
    backbone, weights = _found(config)
    return replace(backbone, deep_bits=deep_bits), weights


def _found(config: FeaturesConfig) -> tuple[Backbone, Path]:
    name = config.backbone
    if name is None:
        raise ConfigError(f"`features.backbone` is null; name one, such as {embedded.NAME} (`ssgan backbones list`)")
    if name == embedded.NAME and config.weights is None:
        return embedded.record(), embedded.weights()
    kind, separator, architecture = name.partition(":")
    if kind not in PROVIDERS or not separator:
        raise ConfigError(
            f"`features.backbone` is {name!r}, which is not known; write {embedded.NAME}, or PROVIDER:ARCHITECTURE with one of "
            f"{', '.join(PROVIDERS)}, such as timm:convnext_tiny.in12k_ft_in1k"
        )
    weights = _weights(name, config.weights)
    return record_of(kind, architecture, weights), weights


def record_of(kind: str, architecture: str, weights: Path) -> Backbone:
    """What a provider says of an architecture and a local file of weights; kept, so that it builds the network once."""
    path, found = known.recalled(kind, architecture, weights)
    if found is None:
        found = provider(kind).record(architecture, weights)
        known.keep(path, found)
    return found


def load(backbone: Backbone, weights: Path) -> Network:
    """The network, in evaluation mode. Raises ConfigError where the file of weights is another one than the record says."""
    from ssgan.backbones.folding import folded  # it needs timm, which takes a second to import

    found = file_sha256(weights)
    if found != backbone.sha256:
        raise ConfigError(
            f"{weights} has sha256 {found[:12]}..., but backbone {backbone.name} was used with {backbone.sha256[:12]}...; "
            "bring back the file that it was used with"
        )
    network = Network(backbone, provider(backbone.provider).build(backbone, weights)).eval()
    random = torch.Generator().manual_seed(0)
    trial = torch.randint(0, 256, (1, 3, backbone.size, backbone.size), generator=random, dtype=torch.uint8)
    return cast(Network, folded(network, trial))


def weights_of(backbone: Backbone) -> Path:
    """The local file of a backbone's weights: embedded, in the cache, or named in params.yaml. Raises ConfigError."""
    if backbone.name == embedded.NAME:
        return embedded.weights()
    return _weights(f"{backbone.provider}:{backbone.architecture}", configured_weights(backbone))


def configured_weights(backbone: Backbone) -> str | None:
    """``features.weights`` of the project in this folder, if it is of this backbone."""
    from ssgan.config import load as load_config

    if not Path("params.yaml").is_file():
        return None
    config = load_config().features
    return config.weights if config.backbone == f"{backbone.provider}:{backbone.architecture}" else None


def _weights(name: str, path: str | None) -> Path:
    from ssgan.backbones.fetch import cached

    found = Path(path) if path else cached(name)
    if found is None:
        raise ConfigError(
            f"the weights of backbone {name!r} are not on this machine; run `ssgan backbones fetch {name}` where there is a "
            "network, or set features.weights to a local file"
        )
    if not found.is_file():
        raise ConfigError(f"`features.weights` is {str(found)!r}, which is not a file; give the path of the weights")
    return found
