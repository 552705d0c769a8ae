"""Sections ``method``, ``net`` and ``augment``, and what a method is asked to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ssgan.config.base import Strict
from ssgan.config.data import ImageSpec
from ssgan.config.features import FeatureSpec
from ssgan.errors import ConfigError


class MethodConfig(Strict):
    """Hyperparameters that every method has. A method's own ``Config`` derives from this one."""

    batch_size: int = Field(default=100, gt=0)  # global batch (over all workers) of unlabeled and of fake images
    labeled_batch_size: int = Field(default=100, gt=0)  # global batch of labeled images
    augment: bool = False  # apply the label-preserving augmentation of the `augment` section to real images
    ema_halflife_images: float = Field(default=693_000.0, gt=0)  # averaging horizon, in images of the global batch
    # The horizon never exceeds this share of the images that the whole run sees, so that short runs average too.
    ema_max_share: float = Field(default=0.05, gt=0, le=1)
    lr_tail: float = Field(default=0.0, ge=0.0, le=1.0)  # share of the run, at its end, over which the rate falls to 0
    muon_rate: float = Field(default=0.0, ge=0.0, lt=1.0)  # of Muon, for the classifier's hidden weights; 0: Adam for all
    # Largest gradient norm of a phase, relative to its RMS by Adam's second moments; a larger one is clipped. 0: no clipping;
    # null: 2 for the methods with one discriminator and one generator on convolutional networks without Muon, else 0
    gradient_clip: float | None = Field(default=None, ge=0.0)

    @property
    def first_comparable_step(self) -> int:
        """First step at which the whole method is active: every phase has begun, every ramp has reached its end.

        A search stops no trial before it: until then trials do not show what is to be compared.
        """
        return 0


class MethodSelection(Strict):
    """Which method runs, and what differs from its defaults."""

    name: str = "feature_matching"
    options: dict[str, Any] = Field(default={})


class NetConfig(Strict):
    """Which family of networks (a file of ``ssgan/nets``) plays the roles, and how wide it is."""

    family: str = "mlp"
    width: float = Field(default=1.0, gt=0)  # multiplies the number of hidden units or channels
    noise: float = Field(default=1.0, ge=0, le=1)  # multiplies the classifier's Gaussian noise and dropout
    latent_dim: int = Field(default=100, gt=0)  # Z


@dataclass(frozen=True)
class Problem:
    """What a method is asked to learn: shape of an input (an image, or a feature vector), number of classes K, networks."""

    input: ImageSpec | FeatureSpec
    num_classes: int
    net: NetConfig

    @property
    def image(self) -> ImageSpec:
        """Shape of the images, for what learns on pixels only. Raises ConfigError where the problem is one of features."""
        if isinstance(self.input, FeatureSpec):
            raise ConfigError(
                f"`net.family` is {self.net.family!r}, which learns on pixels, but features.backbone is set; set it to head"
            )
        return self.input


class AugmentConfig(Strict):
    """Transformations that keep the label on this data set. All zero: none. Used by methods with ``augment: true``."""

    shift_px: int = Field(default=0, ge=0)  # largest shift, in pixels, both axes
    flip: bool = False  # mirror left-right with probability 1/2 (never for digits or text)
    rotate_degrees: float = Field(default=0.0, ge=0, le=180)  # largest rotation
    scale: float = Field(default=0.0, ge=0, lt=0.9)  # largest relative change of size
