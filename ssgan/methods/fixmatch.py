"""FixMatch: confident predictions on weakly augmented images are the targets for strongly augmented ones.

Paper: Sohn et al.: FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence (NeurIPS 2020),
arXiv:2001.07685, eq. 3 and 4.

Objective, with w(x) the augmentation of the `augment` section, s(x) = strong(w(x)), q = softmax(l(w(x))) without gradient,
noise and dropout, divided by how often each class has been predicted lately (ssgan/players/alignment.py):
    min  E_labeled CE(l(w(x)), y)  +  lambda E_unlabeled 1[max q >= tau] CE(l(s(x)), argmax q)
`thresholds: freematch` and `softmatch` replace 1[max q >= tau] by FreeMatch's threshold per class (Wang et al. 2023) or
SoftMatch's weight (Chen et al. 2023); both follow running means of q (ssgan/players/confidence.py).

Deviations:
    1. Adam; the paper has SGD with Nesterov momentum and a cosine rate.
    2. Strong augmentation is a random affine map, brightness, contrast and cutout (``ssgan.core.augment.strong``); the paper
       draws two of fourteen transformations (RandAugment) before cutout.
    3. As many unlabeled as labeled images a step unless `batch_size` says otherwise; the paper has 7 times as many.
    4. Predictions are aligned to equal shares of the classes (`alignment_decay`), as in ReMixMatch by the same authors; the
       paper leaves that out. Without it, and with noisy targets, one or two labels per class ended at chance on features.
       It takes the place of FreeMatch's fairness term (eq. 11) and of SoftMatch's uniform alignment (its section 3.3).

Expected error: no figure for MNIST in the paper; CIFAR-10 with 40 labels 11.39 +- 3.35 %, with 250 5.07 +- 0.33 %.
Cost: a forward and backward pass of both batches, and a forward pass of the unlabeled one.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.augment import strong
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.core.seeds import fold
from ssgan.nets.layers import without_noise
from ssgan.players.alignment import ClassAlignment, aligned
from ssgan.players.confidence import WEIGHTS, RunningConfidence, Statistics
from ssgan.players.one import OnePlayerConfig, OnePlayerMethod


class Config(OnePlayerConfig):
    augment: bool = True  # two views of an image are two draws of the `augment` section
    unlabeled_weight: float = Field(default=1.0, ge=0)  # lambda
    thresholds: Literal["fixed", "freematch", "softmatch"] = "fixed"  # fixed: `threshold`; the others follow the classifier
    threshold: float = Field(default=0.95, gt=0, lt=1)  # tau, where `thresholds` is fixed
    threshold_decay: float = Field(default=0.999, ge=0, lt=1)  # per step, of the running means of `freematch` and `softmatch`
    alignment_decay: float | None = Field(default=0.95, ge=0, lt=1)  # per step, of the mean prediction; null: no alignment


class Method(OnePlayerMethod):
    second_view = True
    config: Config

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        self._following: Statistics | None = None  # of this step, kept when it ends
        self._predicted: Tensor | None = None  # likewise
        if self.config.alignment_decay is not None:
            self.nets["alignment"] = ClassAlignment(problem.num_classes)
        if self.config.thresholds != "fixed":
            self.nets["confidence"] = RunningConfidence(problem.num_classes)

    @property
    def confidence(self) -> RunningConfidence:
        return cast(RunningConfidence, self.nets["confidence"])

    @property
    def alignment(self) -> ClassAlignment:
        return cast(ClassAlignment, self.nets["alignment"])

    def classifier_loss(self, batch: Batch) -> Terms:
        terms = self.labeled_terms(batch)
        q = self.targets(batch.x_u)
        mask = self.weights(q)
        logits = self.net(strong(batch.x_u2, fold(batch.seed, "strong"))).logits
        terms["unlabeled"] = losses.masked_cross_entropy(logits, q.argmax(1), mask)
        terms["mask_share"] = mask.mean()
        return terms | {"total": terms["labeled"] + self.config.unlabeled_weight * terms["unlabeled"]}

    @torch.no_grad()
    def targets(self, x: Tensor) -> Tensor:
        """Weakly augmented images (U, C, S, S) -> predictions (U, K)."""
        with without_noise(self.net):
            q = self.net(x).logits.float().softmax(1)
        if self.config.alignment_decay is None:
            return q
        self._predicted = self.alignment.following(q, self.config.alignment_decay)
        return aligned(q, self._predicted)

    @torch.no_grad()
    def weights(self, q: Tensor) -> Tensor:
        """(U, K) predictions -> how much each pseudo-label counts, (U,) in [0, 1]."""
        if self.config.thresholds == "fixed":
            return (q.max(1).values >= self.config.threshold).float()
        self._following = self.confidence.following(q, self.config.threshold_decay)
        return WEIGHTS[self.config.thresholds](q, self._following)

    def after_step(self, batch: Batch) -> None:
        if self._following is not None:
            self.confidence.keep(self._following)
        if self._predicted is not None:
            self.alignment.keep(self._predicted)
