"""Pseudo-labels: the classifier's own predictions on unlabeled images serve as labels.

Paper: Lee: Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks (ICML workshop
on Challenges in Representation Learning, 2013), eq. 15 and 16.

Objective, with y'(x) = argmax_k l_k(x) of the same pass, no gradient through it:
    min  E_labeled CE(l(x), y)  +  alpha(t) E_unlabeled CE(l(x), y'(x))
    alpha = 0 until step T1, then linear up to alpha_f at step T2.

Deviations:
    1. Adam; the paper has momentum SGD with dropout in one hidden layer of 5,000 units.
    2. No pre-training by a denoising autoencoder.
    3. T1 and T2 are steps; the paper gives T1 = 100 and T2 = 600 in epochs of its larger labeled set.

Expected error on MNIST (paper, one hidden layer, with pre-training): 100 labels 10.49 %, without it 16.15 %.
Cost: one forward and backward pass of both batches.
"""

from __future__ import annotations

from pydantic import Field

from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.players.one import OnePlayerConfig, OnePlayerMethod


class Config(OnePlayerConfig):
    pseudo_weight: float = Field(default=3.0, ge=0)  # alpha_f
    ramp_start: int = Field(default=500, ge=0)  # steps, T1
    ramp_steps: int = Field(default=2000, gt=0)  # steps from T1 to T2

    @property
    def first_comparable_step(self) -> int:
        return self.ramp_start + self.ramp_steps


class Method(OnePlayerMethod):
    config: Config

    def weight(self, step: int) -> float:
        """alpha(t)."""
        return self.config.pseudo_weight * min(1.0, max(0.0, (step - self.config.ramp_start) / self.config.ramp_steps))

    def schedule(self, step: int) -> dict[str, float]:
        return {"weight": self.weight(step)}

    def classifier_loss(self, batch: Batch) -> Terms:
        terms = self.labeled_terms(batch)
        logits = self.net(batch.x_u).logits
        terms["pseudo"] = losses.cross_entropy(logits, logits.detach().argmax(1))
        return terms | {"total": terms["labeled"] + self.scheduled("weight", batch.step) * terms["pseudo"]}
