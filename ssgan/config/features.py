"""Section ``features``: what methods train on instead of pixels."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from ssgan.config.base import Strict


class FeaturesConfig(Strict):
    """Features of a pretrained backbone."""

    # efficientnet_lite0 (embedded), or PROVIDER:ARCHITECTURE, provider timm, torchvision or onnx; null: learn from pixels
    backbone: str | None = None
    weights: str | None = None  # local file of its weights; null: embedded, or from the cache of Hugging Face
    views: int = Field(default=1, ge=1, le=16)  # of every image: the first is plain, the others are randomly augmented
    dimensions: int = Field(default=128, ge=2, le=4096)  # principal components of the unlabeled set that are kept
    # where they are computed: this machine (on a CPU a process per core), or tasks of the cluster at RAY_ADDRESS
    workers: Literal["local", "ray"] = "local"
    batch_size: int | None = Field(default=None, ge=1)  # views in a forward pass; null: 4 on a CPU, 64 on a GPU


class FeatureSpec(NamedTuple):
    """Shape of every feature vector that methods learn on."""

    components: int

    @property
    def shape(self) -> tuple[int]:
        """(P,)"""
        return (self.components,)
