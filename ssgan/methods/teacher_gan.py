"""Teacher-GAN: our combination of an averaged teacher, balanced classes, and the cheap part of a bad generator.

Paper: none; ours. Parts: hard targets from a confident average of weights (FixMatch, Sohn et al. 2020, eq. 4; Mean teacher,
Tarvainen & Valpola 2017), balanced pseudo-labels (distribution alignment, Berthelot et al. 2020, and optimal transport, Asano
et al. 2020), orthogonalized updates (Muon, Jordan et al. 2024), feature matching with
K logits (Salimans et al. 2016, section 5), pull-away (Dai et al. 2017, section 4).

Objective, with r = lse(l), f the features, w(x), w'(x) two draws of the `augment` section, s = strong(w'(x)), theta' the moving
average of theta, c dual variables of the classes (ssgan/players/balance.py), q = softmax(l(w(x); theta') - c) without noise:
    D:  min  E_labeled CE(l(v(x)), y)  + a(t) consistency E_unlabeled 1[max q >= tau] CE(l(s), argmax q)
             + b(t) unlabeled ( 1/2 E_unlabeled softplus(-r(w(x))) + 1/2 E_z softplus(r(G(z))) )
    G:  min  mean_j (E f_j(G(z)) - E f_j(w(x)))^2 + pull_away * PT(f(G(z)))
    a(t) rises from 0 to 1 over `ramp_steps`; in the first `strong_labeled_steps` v(x) is strong(w(x)) for every second image,
    and else w(x); in the first `stroke_steps` strong crosses half of the images, drawn at random, with a line; b(t) is 1 in
    every `adversarial_every`-th step from `adversarial_start` on, the only ones in which G learns, and else 0.
With `unlabeled_weight: 0` there is no generator: the ablation that shows what the GAN contributes.

Deviations:
    1. A teacher gives FixMatch's targets; its paper takes them from the classifier itself. Muon and Adam instead of SGD.
    2. Feature matching compares with the images of the same step; its paper draws an independent batch.

Expected error: docs/results/mnist.md.
Cost: forward and backward passes of the labeled and the strongly changed images, and a forward pass of the teacher; in every
`adversarial_every`-th step also those of the fake and the unlabeled images, and the generator's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from pydantic import Field
from torch import Tensor

from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.augment import strong
from ssgan.core.batch import Batch
from ssgan.core.distributed import batch_mean, rank
from ssgan.core.method import Phase, Terms
from ssgan.core.seeds import fold
from ssgan.nets.layers import forward_parts, without_noise
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.averages import ema_weight, teacher_of, update_ema
from ssgan.players.balance import ClassBalance
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    augment: bool = True  # two views of an image are two draws of the `augment` section
    muon_rate: float = Field(default=0.02, ge=0, lt=1)  # of Muon, for the classifier's hidden weights; 0: Adam for all
    beta1: float = Field(default=0.9, ge=0, lt=1)  # of Adam, both players
    consistency_weight: float = Field(default=1.0, ge=0)  # of the teacher's pseudo-labels
    threshold: float = Field(default=0.9, gt=0, lt=1)  # tau: least confidence of a pseudo-label that counts
    teacher_decay: float = Field(default=0.99, ge=0, lt=1)  # per step
    balance_rate: float = Field(default=0.3, ge=0)  # for classes of about the same size; 0 where they are not
    balance_tolerance: float = Field(default=0.2, ge=0)  # relative deviation of a class from its share that is not corrected
    ramp_steps: int = Field(default=50, gt=0)  # steps over which consistency comes in
    strong_labeled_steps: int = Field(default=500, ge=0)  # first steps, in which every second labeled image is strongly changed
    stroke_steps: int = Field(default=500, ge=0)  # first steps, in which half of the strongly changed images get a line across
    adversarial_start: int = Field(default=500, ge=0)  # first step with the generator
    adversarial_every: int = Field(default=4, gt=0)  # steps between two with the generator
    pull_away_weight: float = Field(default=0.1, ge=0)

    @property
    def first_comparable_step(self) -> int:
        return max(self.ramp_steps, self.strong_labeled_steps, self.stroke_steps, self.adversarial_start)


class Method(TwoPlayerMethod):
    second_view = True

    config: Config

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        self.nets["teacher"] = teacher_of(self.discriminator)
        self.nets["balance"] = ClassBalance(problem.num_classes)
        self._mean_prediction: Tensor | None = None  # (K,) of the teacher in this step
        if not self.config.unlabeled_weight:
            del self.nets["generator"]

    @property
    def balance(self) -> ClassBalance:
        return cast(ClassBalance, self.nets["balance"])

    def phases(self) -> Sequence[Phase]:
        discriminator, generator = super().phases()
        if "generator" not in self.nets:
            return [discriminator]
        return [discriminator, replace(generator, start=self.config.adversarial_start, every=self.config.adversarial_every)]

    def adversarial(self, step: int) -> bool:
        """Whether the generator plays in this step."""
        return any(phase.name == "generator" and phase.due(step) for phase in self.phases())

    def parts(self, step: int) -> tuple[bool, bool, bool]:
        """Whether there are strokes, strongly changed labeled images, and a generator that plays, in this step."""
        return step < self.config.stroke_steps, step < self.config.strong_labeled_steps, self.adversarial(step)

    def pattern(self, step: int) -> tuple[bool, ...]:
        return super().pattern(step) + self.parts(step)

    def schedule(self, step: int) -> dict[str, float]:
        c = self.config
        consistency = min(1.0, step / c.ramp_steps) * c.consistency_weight
        return {"consistency": consistency, "teacher": ema_weight(step, c.teacher_decay)}

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.discriminator, batch.x_u)
        self.nets["teacher"].load_state_dict(self.discriminator.state_dict())
        if "generator" in self.nets:
            data_dependent_init(self.generator, self.latent(batch, "init"))

    def after_step(self, batch: Batch) -> None:
        update_ema(self.nets["teacher"], self.discriminator, self.scheduled("teacher", batch.step))
        if self._mean_prediction is not None:
            self.balance.update(self._mean_prediction, self.config.balance_rate, self.config.balance_tolerance)

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def discriminator_loss(self, batch: Batch) -> Terms:
        c = self.config
        stroke, strong_labeled, adversarial = self.parts(batch.step)
        x_l = _every_second_strong(batch.x_l, fold(batch.seed, "labeled"), stroke) if strong_labeled else batch.x_l
        distorted = strong(batch.x_u2, fold(batch.seed, "strong"), stroke=stroke)
        if adversarial:
            with torch.no_grad():
                x_f = self.fakes(batch, "discriminator")
            labeled, view, unlabeled, fake = forward_parts(self.discriminator, x_l, distorted, batch.x_u, x_f)
            r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
            terms = losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, c.unlabeled_weight)
        else:
            labeled, view = forward_parts(self.discriminator, x_l, distorted)
            terms = {"labeled": losses.cross_entropy(labeled.logits, batch.y_l)}
            terms["total"] = terms["labeled"]
            with torch.no_grad():
                terms["labeled_accuracy"] = (labeled.logits.argmax(1) == batch.y_l).float().mean()
        pseudo_labels, mask = self.targets(batch.x_u)
        terms["consistency"] = losses.masked_cross_entropy(view.logits, pseudo_labels, mask)
        terms["mask_share"] = mask.mean()
        return terms | {"total": terms["total"] + self.scheduled("consistency", batch.step) * terms["consistency"]}

    @torch.no_grad()
    def targets(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(U, C, S, S) -> the teacher's pseudo-labels, (U,) class ids, and whether it is confident, (U,) 0 or 1."""
        with without_noise(self.nets["teacher"]):
            q = self.balance(self.nets["teacher"](x).logits)
        self._mean_prediction = batch_mean(q)
        confidence, pseudo_labels = q.max(1)
        return pseudo_labels, (confidence >= self.config.threshold).float()

    def generator_loss(self, batch: Batch) -> Terms:
        features_fake = self.discriminator.features(self.fakes(batch, "generator"))
        with torch.no_grad():
            features_real = self.discriminator.features(batch.x_u)
        terms = {
            "matching": losses.feature_matching(features_fake, features_real),
            "pull_away": losses.pull_away(features_fake),
        }
        return terms | {"total": terms["matching"] + self.config.pull_away_weight * terms["pull_away"]}

    def sample(self, n: int) -> Tensor | None:
        return super().sample(n) if "generator" in self.nets else None


def _every_second_strong(x: Tensor, seed: int, stroke: bool) -> Tensor:
    """(L, C, S, S) -> the same with every second image of the global batch strongly changed."""
    number = rank() * x.shape[0] + torch.arange(x.shape[0], device=x.device)
    return torch.where((number % 2 == 0).view(-1, *[1] * (x.ndim - 1)), strong(x, seed, stroke=stroke), x)
