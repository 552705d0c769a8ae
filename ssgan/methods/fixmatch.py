"""FixMatch: confident predictions on weakly augmented images are the targets for strongly augmented ones.

Paper: Sohn et al.: FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence (NeurIPS 2020),
arXiv:2001.07685, eq. 3 and 4.

Objective, with w(x) the augmentation of the `augment` section, s(x) = strong(w(x)), q = softmax(l(w(x))) without gradient:
    min  E_labeled CE(l(w(x)), y)  +  lambda E_unlabeled 1[max q >= tau] CE(l(s(x)), argmax q)

Deviations:
    1. Adam; the paper has SGD with Nesterov momentum and a cosine rate.
    2. Strong augmentation is a random affine map, brightness, contrast and cutout (``ssgan.core.augment.strong``); the paper
       draws two of fourteen transformations (RandAugment) before cutout.
    3. As many unlabeled as labeled images a step unless `batch_size` says otherwise; the paper has 7 times as many.

Expected error: no figure for MNIST in the paper; CIFAR-10 with 40 labels 11.39 +- 3.35 %, with 250 5.07 +- 0.33 %.
Cost: a forward and backward pass of both batches, and a forward pass of the unlabeled one.
"""

from __future__ import annotations

import torch
from pydantic import Field

from ssgan.core import losses
from ssgan.core.augment import strong
from ssgan.core.batch import Batch
from ssgan.core.distributed import fold
from ssgan.core.method import Terms
from ssgan.players.one import OnePlayerConfig, OnePlayerMethod


class Config(OnePlayerConfig):
    augment: bool = True  # two views of an image are two draws of the `augment` section
    unlabeled_weight: float = Field(default=1.0, ge=0)  # lambda
    threshold: float = Field(default=0.95, gt=0, lt=1)  # tau


class Method(OnePlayerMethod):
    second_view = True
    config: Config

    def classifier_loss(self, batch: Batch) -> Terms:
        terms = self.labeled_terms(batch)
        with torch.no_grad():
            confidence, pseudo_labels = self.net(batch.x_u).logits.float().softmax(1).max(1)
            mask = (confidence >= self.config.threshold).float()
        logits = self.net(strong(batch.x_u2, fold(batch.seed, "strong"))).logits
        terms["unlabeled"] = losses.masked_cross_entropy(logits, pseudo_labels, mask)
        terms["mask_share"] = mask.mean()
        return terms | {"total": terms["labeled"] + self.config.unlabeled_weight * terms["unlabeled"]}
