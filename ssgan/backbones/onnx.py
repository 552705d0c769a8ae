"""A team's own encoder as an ONNX file, run by onnxruntime (the extra ``export``).

``onnx:NAME`` with ``features.weights: encoder.onnx``. Its one input is (N, 3, S, S) float32, its first output (N, D). How an
image is brought to it stands in the file's metadata, as JSON under ``ssgan``: mean, std (of RGB in [0, 1]), resize, crop_share,
license, source, restricted. Where a key is missing: mean 0, std 1, resize crop, crop_share 1, license unknown and restricted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssgan import installation
from ssgan.backbones.record import Backbone
from ssgan.errors import ConfigError
from ssgan.provenance import file_sha256

METADATA = "ssgan"


class Trunk(nn.Module):
    """(N, 3, S, S) normalized -> the first output of the graph."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._session = _session(path)
        self._input = self._session.get_inputs()[0].name

    def forward(self, x: Tensor) -> list[Tensor]:
        given = x.float().cpu().contiguous().numpy()
        out = self._session.run(None, {self._input: given})[0]
        return [torch.from_numpy(out).flatten(1).to(x.device)]


def record(architecture: str, weights: Path) -> Backbone:
    """What the file says of itself."""
    session = _session(weights)
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]) or shape[2] != shape[3] or shape[1] != 3:
        raise ConfigError(f"{weights} takes inputs of shape {shape}; a backbone takes (N, 3, S, S) with a fixed S")
    about: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map.get(METADATA, "{}"))
    dimension = Trunk(weights)(torch.zeros(1, 3, shape[2], shape[2]))[0].shape[1]
    return Backbone(
        name=architecture,
        provider="onnx",
        architecture=architecture,
        sha256=file_sha256(weights),
        size=shape[2],
        resize=about.get("resize", "crop"),
        crop_share=float(about.get("crop_share", 1.0)),
        mean=tuple(about.get("mean", (0.0, 0.0, 0.0))),
        std=tuple(about.get("std", (1.0, 1.0, 1.0))),
        pooling="own",
        parts=(dimension,),
        license=about.get("license", "unknown"),
        restricted=bool(about.get("restricted", "license" not in about)),
        source=about.get("source", "a local file"),
    )


def build(backbone: Backbone, weights: Path) -> nn.Module:
    """The graph."""
    return Trunk(weights)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(f"provider onnx needs the package onnxruntime; {installation.remedy('export')}") from None
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes derive from nothing else
        raise ConfigError(f"{path} is no ONNX file that onnxruntime can run: {str(error).splitlines()[0]}") from None
