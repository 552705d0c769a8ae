"""A finished classifier, as prediction, evaluation and report use it.

A model folder holds ``model.safetensors`` (evaluable weights) and ``config.json`` (method, networks, image shape, classes).
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ssgan import backbones, methods
from ssgan.backbones import Backbone
from ssgan.config import FeatureSpec, ImageSpec, NetConfig, Problem
from ssgan.errors import CheckpointError
from ssgan.features.space import Space


class ModelOutputs(NamedTuple):
    """All outputs of one forward pass over N images.

    Attributes:
        logits: (N, K) of the K real classes.
        features: (N, F) the input of the last layer.
        real: (N,) the level of "real": lse(l_1..l_K), minus the logit of the fake class where there is one. Discriminators
            with K or K+1 logits are trained on it (Salimans et al. 2016, section 5); elsewhere it is minus the free energy
            (Liu et al. 2020, arXiv:2010.03759, eq. 4).
    """

    logits: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    real: npt.NDArray[np.float32]


class Model:
    """A finished classifier.

    Attributes:
        classes: names by permanent class id.
        image: shape that images must have.
        backbone: what makes features of them, in a model that learned on features; else None.
        steps: steps of training behind the weights.
        method: name of the method that trained it.
    """

    def __init__(self, description: dict[str, Any], weights: dict[str, Tensor], device: str = "cpu") -> None:
        """``description`` is the content of ``config.json``, ``weights`` that of ``model.safetensors``."""
        self.description = description
        self.classes: list[str] = description["classes"]
        self.image = ImageSpec(**description["image"])
        self.steps: int = description["steps"]
        self.method: str = description["method"]
        self.backbone = Backbone.of(description["backbone"]) if "backbone" in description else None
        given = FeatureSpec(description["components"]) if self.backbone else self.image
        problem = Problem(given, len(self.classes), NetConfig(**description["net"]))
        config = methods.resolve_config(self.method, description["method_config"])
        self._method = methods.build(self.method, config, problem)
        if self.backbone:
            self._method.nets["space"] = Space(self.backbone.dimension, description["components"])
        self._method.nets.load_state_dict(weights)
        self._method.nets.to(device).eval()
        self._device = device

    @property
    def nets(self) -> nn.ModuleDict:
        """All networks that were kept, in evaluation mode."""
        return self._method.nets

    def logits(self, images: Tensor) -> Tensor:
        """(N, C, S, S) uint8, or (N, D) raw features -> (N, K) float32 logits of the K real classes."""
        if self.backbone is None:
            return self._method.predict(images * (1.0 / 255.0)).float()
        raw = self.network(images) if images.dtype == torch.uint8 else images
        return self._method.predict(self._method.nets["space"](raw)).float()

    @cached_property
    def network(self) -> nn.Module:
        """The backbone, for images without stored features. Raises ConfigError where its weights are not on this machine."""
        assert self.backbone is not None
        return backbones.load(self.backbone, backbones.weights_of(self.backbone)).to(self._device)

    @torch.no_grad()
    def predict_logits(self, images: npt.NDArray[Any], batch: int = 500) -> npt.NDArray[np.float32]:
        """(N, C, S, S) uint8, or (N, D) raw features -> (N, K) logits of the K real classes."""
        if images.shape[1:] != self.image.shape and images.ndim != 2:
            raise CheckpointError(f"the model takes images of shape {self.image.shape}, not {images.shape[1:]}")
        parts = [self._predict(images[i : i + batch]) for i in range(0, len(images), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)

    def _predict(self, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return self.logits(torch.from_numpy(np.ascontiguousarray(images)).to(self._device)).cpu().numpy()

    @torch.no_grad()
    def outputs(self, images: npt.NDArray[Any], batch: int = 500) -> ModelOutputs:
        """(N, C, S, S) uint8, or (N, D) raw features, N > 0 -> logits, features and level of "real", in one pass."""
        net = self._method.nets[self._method.classifier]
        seen: list[tuple[Tensor, Tensor]] = []

        def keep(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            seen.append((given[0].flatten(1).float(), out.float()))

        # Every family calls its last layer `output`; where the classifier is one layer on foreign features, it is that.
        hook = getattr(net, "output", net).register_forward_hook(keep)
        try:
            logits = self.predict_logits(images, batch)
        finally:
            hook.remove()
        features, outputs = (torch.cat(parts) for parts in zip(*seen, strict=True))
        real = torch.logsumexp(outputs[:, : len(self.classes)], dim=1) - outputs[:, len(self.classes) :].sum(dim=1)
        return ModelOutputs(logits, features.cpu().numpy(), real.cpu().numpy())

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0) -> npt.NDArray[np.uint8] | None:
        """(n, C, S, S) uint8 generated images, or None where the method has no generator."""
        torch.manual_seed(seed)
        images = self._method.sample(n)
        if self.backbone:
            return None
        return None if images is None else (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()

    @torch.no_grad()
    def sample_vectors(self, n: int, seed: int = 0) -> npt.NDArray[np.float32] | None:
        """(n, P) generated vectors of a model that learned on features; None where the method has no generator."""
        torch.manual_seed(seed)
        vectors = self._method.sample(n) if self.backbone else None
        return None if vectors is None else vectors.cpu().numpy()

    @torch.no_grad()
    def to_space(self, raw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, D) raw features -> (N, P) vectors as the classifier sees them."""
        vectors: Tensor = self._method.nets["space"](torch.from_numpy(raw).to(self._device))
        return vectors.cpu().numpy()


def load_model(folder: Path, device: str = "cpu") -> Model:
    """A finished classifier from its folder. Raises CheckpointError where there is none."""
    folder = Path(folder)
    try:
        description = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors", device)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} is not a model folder ({error.filename} is missing); run `dvc repro train`, or change to the "
            "project's folder"
        ) from None
    return Model(description, weights, device)
