"""What is known of a backbone: everything that its features depend on, and what its weights may be used for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ssgan.config import ImageSpec
from ssgan.provenance import json_sha256

Resize = Literal["crop", "fit", "stretch"]


@dataclass(frozen=True)
class Backbone:
    """A pretrained network and how images are brought to it. Letters: S size, D dimension.

    Attributes:
        name: for people and for folders.
        provider: a file of ``ssgan/backbones``: who builds the network.
        architecture: the network, as the provider names it.
        sha256: of the file of weights.
        size: S, pixels; images are (3, S, S).
        resize: how an image becomes a square: crop (shorter side to S / crop_share, then the middle), fit, stretch.
        crop_share: share of the side of the resized image that is kept.
        mean, std: of the RGB values in [0, 1], per channel.
        pooling: how positions become one vector: avg, or token (of a transformer).
        parts: widths of the parts of a feature vector: the last layer, then the pooled end of each stage before it, if any.
        license: of the weights, as SPDX names it where it does.
        restricted: whether the license restricts what people commonly do with a model.
        source: where the weights come from.
        deep_bits: of the project (`data.deep_bits`): how files of 16 bits are brought to the network.
    """

    name: str
    provider: str
    architecture: str
    sha256: str
    size: int
    resize: Resize
    crop_share: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pooling: str
    parts: tuple[int, ...]
    license: str
    restricted: bool
    source: str
    deep_bits: int | None = None

    @property
    def dimension(self) -> int:
        """D, numbers in a feature vector."""
        return sum(self.parts)

    @property
    def image(self) -> ImageSpec:
        """Images as the network wants them before the middle is cut out."""
        return ImageSpec(3, round(self.size / self.crop_share), self.resize, self.deep_bits)

    @property
    def identity(self) -> dict[str, Any]:
        """What features depend on; licence and source are not among it."""
        return {key: value for key, value in self.describe().items() if key not in ("name", "license", "restricted", "source")}

    @property
    def key(self) -> str:
        """Name of the folder of its features."""
        return f"{self.name}-{json_sha256(self.identity)[:12]}"

    def describe(self) -> dict[str, Any]:
        """As JSON holds it; without ``deep_bits`` where nothing is said of them."""
        values = json.loads(json.dumps(asdict(self)))
        return {key: value for key, value in values.items() if (key, value) != ("deep_bits", None)}

    @classmethod
    def of(cls, description: dict[str, Any]) -> Backbone:
        """The inverse of ``describe``."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in description.items()}
        return cls(**values)
