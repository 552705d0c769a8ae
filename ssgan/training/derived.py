"""What follows from the parameters and the data of a run: its batches, plan, problem, average of weights and val set."""

from __future__ import annotations

from typing import cast

import torch

from ssgan import methods
from ssgan.config import Config, FeatureSpec, MethodConfig, Problem
from ssgan.core.method import SemiSupervisedMethod
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import BatchRequest
from ssgan.features.space import FITTED_ON, Space
from ssgan.training.context import Run
from ssgan.training.ema import Average
from ssgan.training.loop import TrainingPlan, ValSet


def request_of(config: Config, name: str, method_config: MethodConfig) -> BatchRequest:
    """What a run of a method asks of the loader."""
    method = methods.module(name).Method
    return BatchRequest(
        labeled=method_config.labeled_batch_size,
        unlabeled=method_config.batch_size,
        streams=method.unlabeled_streams,
        second_view=method.second_view,
        seed=config.train.seed,
        augment=config.augment if method_config.augment else None,
    )


def plan_of(config: Config, method_config: MethodConfig, bf16: bool) -> TrainingPlan:
    """How long the run is, and when it validates, writes checkpoints and looks whether its numbers are finite."""
    t = config.train
    tail = method_config.lr_tail
    return TrainingPlan(t.steps, t.seed, t.val_every, t.checkpoint_every, t.check_every, tail, bf16, t.graphs)


def problem_of(config: Config, files: SplitFiles) -> Problem:
    """What is to be learned: image shape and classes of the data set, networks of the config."""
    if files.features is None:
        return Problem(files.image_spec(), len(files.classes()), config.net)
    components = min(config.features.dimensions, files.features.backbone.dimension)
    return Problem(FeatureSpec(components), len(files.classes()), config.net)


def average_of(method: SemiSupervisedMethod, steps: int) -> Average:
    """The average of weights of a run of so many steps, before the first one."""
    c = method.config
    images = min(c.ema_halflife_images, c.ema_max_share * steps * c.batch_size)
    return Average({k: method.nets[k] for k in method.averaged}, max(1.0, images / c.batch_size))


def val_set_of(files: SplitFiles, method: SemiSupervisedMethod, device: torch.device) -> ValSet:
    """The images of val as the method takes them."""
    inputs = torch.from_numpy(files.inputs("val")).to(device)
    labels = torch.from_numpy(files.labels("val")).to(device)
    if files.features:
        inputs = space_of(method)(inputs[:, 0])
    return ValSet(inputs, labels)


def add_space(method: SemiSupervisedMethod, run: Run) -> Space:
    """Give a method the space of its features, fitted to the unlabeled set."""
    assert run.files.features is not None
    space = Space(run.files.features.backbone.dimension, run.config.features.dimensions)
    space.fit(torch.from_numpy(run.files.inputs("unlabeled", views=1)[:FITTED_ON, 0]))
    method.nets["space"] = space
    return space


def space_of(method: SemiSupervisedMethod) -> Space:
    """That of a method that learns on features."""
    return cast(Space, method.nets["space"])
