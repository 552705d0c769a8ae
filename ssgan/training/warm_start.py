"""Warm start: initialize a run with the weights of an earlier one, also where classes have been added since.

Optimizers, schedules and averages start fresh. All networks of the earlier model are taken, also teachers and running averages,
and on features the space in which its weights mean something.
Tensors of the same shape are copied. Where the number of classes K enters a shape, values of known classes are copied, found by
their *name*, and those of new classes keep their fresh values:

    grown along the first axis    a head: K classes first, further logits (the fake one) behind
    grown along the second axis   what takes a class as input: Z latents first, K classes behind
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.data.files import Features
from ssgan.errors import CheckpointError, ConfigError
from ssgan.nets.weight_norm import DataInitialized, data_dependent_init
from ssgan.wording import counted

SHAPE = ("family", "width", "latent_dim")  # of `net`: what the shapes of the networks follow from


@dataclass(frozen=True)
class EarlierModel:
    """Its tensors and classes (names by id)."""

    tensors: dict[str, Tensor]
    classes: list[str]


def read_earlier_model(
    folder: Path, method: str, problem: Problem, classes: Sequence[str], features: Features | None
) -> EarlierModel:
    """The model in ``folder``, if a run of this method and problem can begin with it.

    Args:
        features: what the run learns on; None: pixels.

    Raises:
        CheckpointError: there is no model.
        ConfigError: it has other networks, takes other images or features, or is of another method.
    """
    try:
        described = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is no model folder ({error.filename} is missing); correct train.start_from") from None
    backbone = features.backbone if features else None
    theirs = _described(described["method"], _learned_on(described, type(backbone)), described["net"])
    here = problem.input._asdict()
    learned_on = _features(backbone.key, here["components"]) if backbone else _images(here)
    ours = _described(method, learned_on, problem.net.model_dump())
    if len(described["classes"]) == len(classes) and described["classes"] != list(classes):
        raise ConfigError(
            f"train.start_from: the model to start from knows the classes {described['classes']}, here they are "
            f"{list(classes)}: as many, but others; set train.start_from to null"
        )
    different = [f"{key} {theirs.get(key)!r} (here {ours[key]!r})" for key in ours if theirs.get(key) != ours[key]]
    if different:
        raise ConfigError(
            f"train.start_from: the model to start from was trained with {', '.join(different)}; set these parameters back, or "
            "train.start_from to null"
        )
    return EarlierModel(tensors, described["classes"])


def _learned_on(described: dict[str, Any], record: Any) -> dict[str, Any]:
    """What a model learned on. ``record``: the class of our backbone's record; that of None where we have none."""
    if "backbone" not in described:
        return _images(described["image"])
    theirs = described["backbone"]
    return _features(theirs["name"] if record is type(None) else record.of(theirs).key, described["components"])


def _features(key: str, components: int) -> dict[str, Any]:
    return {"features.backbone": key, "features.dimensions": components}


def _images(image: dict[str, Any]) -> dict[str, Any]:
    return {"features.backbone": None, **{f"data.{key}": value for key, value in ImageSpec(**image)._asdict().items()}}


def _described(method: str, learned_on: dict[str, Any], net: dict[str, Any]) -> dict[str, Any]:
    """By the keys of parameters."""
    defaults = NetConfig(**net).model_dump()
    return {"method.name": method, **learned_on, **{f"net.{key}": defaults[key] for key in SHAPE}}


@torch.no_grad()
def warm_start(nets: nn.ModuleDict, start: EarlierModel, classes: Sequence[str], x: Tensor) -> None:
    """Give networks that were just initialized the weights of an earlier model.

    Args:
        classes: K names by id, of the new run.
        x: (N, C, S, S) images in [0, 1], from which grown heads are initialized once more, now on the earlier features.

    Raises:
        ConfigError: a network is missing there, or has another shape.
    """
    grown = _copy(nets, start, classes)
    heads = {module for key in grown if isinstance(module := nets.get_submodule(key.rpartition(".")[0]), DataInitialized)}
    for net in nets.values():
        if own := [layer for layer in net.modules() if layer in heads]:
            data_dependent_init(net, x, own)
    _copy(nets, start, classes)  # what that has changed of known classes


def _copy(nets: nn.ModuleDict, start: EarlierModel, classes: Sequence[str]) -> list[str]:
    """Copy all that can be; returns the keys of tensors that have grown."""
    grown = []
    state = nets.state_dict()
    if missing := sorted(set(state) ^ set(start.tensors)):
        raise ConfigError(
            f"train.start_from: the model to start from differs in {counted(len(missing), 'tensor')}, such as "
            f"{missing[0]}: it had other method.options; set them back, or train.start_from to null"
        )
    for key, target in state.items():
        source = start.tensors[key]
        if target.shape == source.shape and start.classes == list(classes):
            target.copy_(source)
        else:
            grown += [key] if _copy_by_class(key, target, source, start.classes, classes) else []
    return grown


def _copy_by_class(key: str, target: Tensor, source: Tensor, old: Sequence[str], new: Sequence[str]) -> bool:
    """Copy one tensor; returns whether it has an axis of classes."""
    axes = [axis for axis, (a, b) in enumerate(zip(source.shape, target.shape, strict=False)) if a != b]
    if not axes:
        target.copy_(source)
        return False
    (axis, *more) = axes
    extra = source.shape[axis] - len(old)
    if more or source.ndim != target.ndim or axis > 1 or extra < 0 or target.shape[axis] - len(new) != extra:
        raise ConfigError(
            f"train.start_from: {key} has the shape {tuple(source.shape)} there and {tuple(target.shape)} here, which new "
            "classes do not explain; set the parameters of the networks back, or train.start_from to null"
        )
    classes_first = axis == 0
    shift = 0 if classes_first else extra
    pairs = [(shift + old.index(name), shift + k) for k, name in enumerate(new) if name in old]
    others = range(len(old), len(old) + extra) if classes_first else range(extra)
    pairs += [(i, i + (len(new) - len(old) if classes_first else 0)) for i in others]
    there, here = (torch.tensor(side, dtype=torch.long) for side in zip(*pairs, strict=True))
    target.index_copy_(axis, here.to(target.device), source.index_select(axis, there).to(target.device))
    return True
