"""How long a new project's first run takes on this machine, from a trial of a few images or steps."""

from __future__ import annotations

import time

import torch

from ssgan import methods
from ssgan.config import Config, Problem
from ssgan.core.batch import Batch
from ssgan.core.seeds import fold
from ssgan.training.optimizers import make_optimizers
from ssgan.training.precision import in_bf16
from ssgan.training.step import run_step

STEPS = 3
FITTING_S = 30.0  # allowed for what is fitted at once, Ray's start included


def seconds(config: Config, images: int, classes: int) -> float:
    """Of features and training: an estimate, from a trial here."""
    if config.features.backbone:
        from ssgan import backbones
        from ssgan.backbones.listing import images_per_second

        backbone, weights = backbones.find(config.features, config.data.deep_bits)
        return images * config.features.views / images_per_second(backbone, weights) + FITTING_S
    return config.train.steps * _seconds_per_step(config, max(classes, 2))


def _seconds_per_step(config: Config, classes: int) -> float:
    """Of the method on random images."""
    spec = config.data.image
    options = methods.resolve_config(config.method.name, config.method.options)
    method = methods.build(config.method.name, options, Problem(spec, classes, config.net))
    labeled, unlabeled = options.labeled_batch_size, options.batch_size
    x_l, x_u, x_u2 = (torch.rand(n, *spec.shape) for n in (labeled, unlabeled, unlabeled))
    late = max((phase.start for phase in method.phases()), default=0)
    bf16, _ = in_bf16(config.train.precision, torch.device("cpu"))
    batches = [Batch(x_l, torch.arange(labeled) % classes, x_u, x_u2, late + i, fold(0, i)) for i in range(STEPS + 1)]
    method.nets.train()
    method.init(batches[0])
    optimizers = make_optimizers(method)
    run_step(method, optimizers, batches[0], bf16=bf16)
    begun = time.perf_counter()
    for batch in batches[1:]:
        run_step(method, optimizers, batch, bf16=bf16)
    return (time.perf_counter() - begun) / STEPS
