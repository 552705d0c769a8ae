"""Every parameter of the system: typed, with its unit and default.

The models are strict: an unknown key, a string where a number belongs (PyYAML reads ``3e-4`` as a string) or a value out
of range is an error that names the key, the value and the remedy. ``load`` is the only way in.

Hyperparameters of a method live with the method (``ssgan/methods/NAME.py``, class ``Config``), and are overridden under
``method.options``.

    data.py    raw images to the four sets: data, split
    features.py  features of a pretrained backbone
    model.py   what is learned: method, net, augment
    train.py   how and where: train, loader, storage, cluster
    judge.py   evaluate, gate, report
    tune.py    the search
"""

from ssgan.config.base import MIB, Strict
from ssgan.config.config import Config, load, parse
from ssgan.config.data import (
    DataConfig,
    DigitsSource,
    FolderSource,
    ImageSpec,
    Layout,
    S3Source,
    Source,
    SplitConfig,
    TorchvisionSource,
)
from ssgan.config.features import FeaturesConfig, FeatureSpec
from ssgan.config.judge import EvaluateConfig, GateConfig, ReportConfig
from ssgan.config.model import AugmentConfig, MethodConfig, MethodSelection, NetConfig, Problem
from ssgan.config.train import ClusterConfig, LoaderConfig, Precision, StorageConfig, TrainConfig
from ssgan.config.tune import Draw, TuneConfig

__all__ = [
    "MIB",
    "AugmentConfig",
    "ClusterConfig",
    "Config",
    "DataConfig",
    "DigitsSource",
    "Draw",
    "EvaluateConfig",
    "FeatureSpec",
    "FeaturesConfig",
    "FolderSource",
    "GateConfig",
    "ImageSpec",
    "Layout",
    "LoaderConfig",
    "MethodConfig",
    "MethodSelection",
    "NetConfig",
    "Precision",
    "Problem",
    "ReportConfig",
    "S3Source",
    "Source",
    "SplitConfig",
    "StorageConfig",
    "Strict",
    "TorchvisionSource",
    "TrainConfig",
    "TuneConfig",
    "load",
    "parse",
]
