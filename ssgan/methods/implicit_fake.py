"""K logits with an implicit fake class ("Option II"): the discriminator is the classifier, the generator is adversarial.

Paper: Salimans et al.: Improved Techniques for Training GANs (NIPS 2016), arXiv:1606.03498, section 5: fixing the fake
logit at 0 gives D(x) = Z/(Z+1), Z = sum_k exp l_k(x), so the real/fake logit is r = lse(l). Generator: the non-saturating
cost of Goodfellow et al. 2014, section 3.

Objective:
    D:  min  E_labeled [ lse(l(x)) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  E_z softplus(-r(G(z)))

Deviations: the average of the weights is bias-corrected.

Expected: little over supervised-only on MNIST (the paper finds that matching features, not this cost, makes
semi-supervised learning work). It is here as the deck's baseline. Cost: as feature matching.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ssgan import losses
from ssgan.batch import Batch
from ssgan.config import MethodConfig
from ssgan.method import Adam, Phase, Terms
from ssgan.two_player import TwoPlayerMethod


class Config(MethodConfig):
    learning_rate: float = Field(default=1e-3, gt=0)  # of both players
    beta1: float = Field(default=0.5, ge=0, lt=1)
    unlabeled_weight: float = Field(default=1.0, ge=0)


class Method(TwoPlayerMethod):
    config: Config

    def phases(self) -> Sequence[Phase]:
        adam = Adam(self.config.learning_rate, (self.config.beta1, 0.999))
        return [
            Phase("discriminator", ("classifier",), self.discriminator_loss, adam),
            Phase("generator", ("generator",), self.generator_loss, adam),
        ]

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = losses.implicit_real_logit(unlabeled.logits), losses.implicit_real_logit(fake.logits)
        return losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, self.config.unlabeled_weight)

    def generator_loss(self, batch: Batch) -> Terms:
        x_f = self.generator(self.latent(batch, "generator"))
        r_f = losses.implicit_real_logit(self.discriminator(x_f).logits)
        return {"total": losses.generator_nonsaturating(r_f)}
