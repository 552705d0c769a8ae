"""What a model says of ingested images: from their stored features where it learned on such, else from their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssgan.config import EvaluateConfig
from ssgan.errors import ConfigError
from ssgan.evaluation.foreign import LOOKED_AT, Foreign, foreign_share
from ssgan.features.files import FeatureFiles

if TYPE_CHECKING:
    from ssgan.model import Model, ModelOutputs

Inputs = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
InputsOf = Callable[[Sequence[str], npt.NDArray[np.uint8]], Inputs]
PredictById = Callable[[Sequence[str], npt.NDArray[np.uint8]], "ModelOutputs"]


def inputs_of(model: Model, features: FeatureFiles | None) -> InputsOf:
    """From ids (N,) and stored pixels (N, C, S, S) to what the model takes.

    Raises ConfigError where the model learned on other features than there are.
    """
    if features is not None:
        require_same_backbone(model, features)
        return lambda ids, pixels: features.read(ids, views=1)[:, 0].astype(np.float32)
    if model.backbone is not None:
        raise ConfigError(
            f"the model learned on features of {model.backbone.name}, but features.backbone is null; set it back in params.yaml"
        )
    return lambda ids, pixels: pixels


def predict_by_id(model: Model, features: FeatureFiles | None) -> PredictById:
    """All outputs of a model, from ids (N,) and stored pixels (N, C, S, S), N > 0. Raises ConfigError as ``inputs_of``."""
    inputs = inputs_of(model, features)
    return lambda ids, pixels: model.outputs(inputs(ids, pixels))


def unlike_labeled(model: Model, features: FeatureFiles, ids: dict[str, list[str]], config: EvaluateConfig) -> Foreign:
    """How many unlabeled images look like no class; ``ids`` of the sets of the split."""

    def vectors(name: str) -> npt.NDArray[np.float32]:
        return model.to_space(features.read(ids[name][:LOOKED_AT], views=1)[:, 0].astype(np.float32))

    return foreign_share(vectors("labeled"), vectors("test"), vectors("unlabeled"), config.confidence)


def require_same_backbone(model: Model, files: FeatureFiles) -> None:
    """Raises ConfigError where a model learned on the features of another backbone, or on pixels."""
    theirs = model.backbone.key if model.backbone else "pixels"
    if theirs != files.backbone.key:
        raise ConfigError(
            f"the model learned on {theirs}, but features.backbone gives {files.backbone.key}; set it back, or run `dvc repro`"
        )
