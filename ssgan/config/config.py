"""The whole of ``params.yaml``, and the only way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, model_validator

from ssgan.config import yaml12
from ssgan.config.base import Strict
from ssgan.config.data import DataConfig, SplitConfig
from ssgan.config.explain import explain
from ssgan.config.features import FeaturesConfig
from ssgan.config.judge import EvaluateConfig, GateConfig, ReportConfig
from ssgan.config.model import AugmentConfig, MethodSelection, NetConfig
from ssgan.config.train import ClusterConfig, LoaderConfig, StorageConfig, TrainConfig
from ssgan.config.tune import TuneConfig
from ssgan.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


class Config(Strict):
    """The whole of ``params.yaml``."""

    data: DataConfig = DataConfig()
    features: FeaturesConfig = FeaturesConfig()
    split: SplitConfig = SplitConfig()
    method: MethodSelection = MethodSelection()
    net: NetConfig = NetConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    loader: LoaderConfig = LoaderConfig()
    storage: StorageConfig = StorageConfig()
    cluster: ClusterConfig = ClusterConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()
    tune: TuneConfig = TuneConfig()
    gate: GateConfig = GateConfig()

    @model_validator(mode="after")
    def _has_what_is_handed_out(self) -> Config:
        if self.evaluate.serve == "safest" and not self.train.twin:
            raise ValueError(
                "`evaluate.serve` is safest, but `train.twin` is false, so there is no supervised baseline to hand out; set "
                "`train.twin` to true, or `evaluate.serve` to method"
            )
        return self


def load(path: str | Path = "params.yaml") -> Config:
    """Read ``params.yaml``.

    Raises:
        ConfigError: naming every wrong key at once, with its value and a remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; run `ssgan init` to write one, or change to the project's folder") from None
    return parse(Config, yaml12.read(text, str(path)) or {}, where=str(path))


def parse(model: type[M], raw: Any, where: str) -> M:
    """Validate ``raw`` against ``model``; ``where`` names the origin in messages. Raises ConfigError."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = [explain(model, raw, e) for e in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(problems)) from None
