"""Which backbone suits these images: the linear probe on folds of the labels and on val, in seconds once features are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ssgan import backbones
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError
from ssgan.evaluation.comparison import wilson
from ssgan.features.files import FeatureFiles
from ssgan.features.space import FITTED_ON, Space
from ssgan.fitting.linear import Floats, folds, logistic, probe, strength

Ranked = tuple[str, float, int, float, int]


def rank(config: Config, names: Sequence[str], splits: Path) -> Iterator[str]:
    """A line for each backbone, the best first. Raises ConfigError where one has no features yet."""
    rows = sorted((_judged(config, name, splits) for name in names), key=_errors)
    yield f"{'backbone':32} wrong on folds of the labels      wrong on val"
    for name, wrong, labels, val_wrong, val in rows:
        yield f"{name:32} {_share(wrong, labels, config):31}  {_share(val_wrong, val, config)}"


def _errors(row: Ranked) -> tuple[float, float]:
    """Error on folds, and on val."""
    _, wrong, labels, val_wrong, val = row
    return wrong / max(labels, 1), val_wrong / max(val, 1)


def _share(wrong: float, total: int, config: Config) -> str:
    if not total:
        return "no image"
    low, high = wilson(int(wrong), total, config.evaluate.confidence)
    return f"{wrong / total:.1%} ({low:.1%} to {high:.1%}) of {total}"


def _judged(config: Config, name: str, splits: Path) -> Ranked:
    """Name, wrong on folds and labels, wrong on val and its images."""
    known, _, weights = name.partition("=")
    named = config.features.model_copy(update={"backbone": known, "weights": weights or None})
    backbone, _ = backbones.find(named, config.data.deep_bits)
    folder = splits.with_name("features") / backbone.key
    if not folder.is_dir():
        raise ConfigError(f"{name} has no features yet; set features.backbone to it and run `ssgan features`, then compare")
    files = SplitFiles(str(splits.absolute()), features=FeatureFiles(str(folder.absolute())))
    space = Space(backbone.dimension, config.features.dimensions)
    space.fit(torch.from_numpy(files.inputs("unlabeled", 1)[:FITTED_ON, 0]))

    def vectors(name: str) -> Floats:
        out: Floats = space(torch.from_numpy(files.inputs(name, 1)[:, 0])).double().numpy()
        return out

    labels, val = (files.labels(one) for one in ("labeled", "val"))
    x, classes, seed = vectors("labeled"), len(files.classes()), config.train.seed
    c = strength(x, labels, classes, seed)
    wrong = judged = 0
    for fit_on, held_out in folds(labels, seed):
        model = logistic(x[fit_on], labels[fit_on], classes, c)
        wrong += int((model.logits(x[held_out]).argmax(1) != labels[held_out]).sum())
        judged += len(held_out)
    val_wrong = int((probe(x, labels, classes, seed).logits(vectors("val")).argmax(1) != val).sum()) if len(val) else 0
    return name, wrong, judged, val_wrong, len(val)
