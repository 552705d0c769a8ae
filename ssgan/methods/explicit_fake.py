"""K+1 logits with an explicit fake class ("Option I"): the discriminator is the classifier, the generator is adversarial.

Paper: Odena: Semi-Supervised Learning with Generative Adversarial Networks (2016), arXiv:1606.01583; Salimans et al. 2016,
section 5. The last logit l_0 is the fake class; with A = lse(l_1..l_K) the real/fake logit is r = A - l_0. Generator: the
non-saturating cost of Goodfellow et al. 2014, section 3.

Objective:
    D:  min  E_labeled [ A(x) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  E_z softplus(-r(G(z)))

Deviations:
    1. The labeled term is conditional on being real (Salimans' L_supervised), not Odena's cross-entropy over K+1, so that it
       equals `implicit_fake` after subtracting l_0; a test proves it.
    2. The average of the weights is bias-corrected.

Expected (Odena, MNIST accuracy, convolutional): 100 labels 92.8 % against 89.5 % supervised. Cost: as feature matching.
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
    fake_logits = 1
    config: Config

    def phases(self) -> Sequence[Phase]:
        adam = Adam(self.config.learning_rate, (self.config.beta1, 0.999))
        return [
            Phase("discriminator", ("classifier",), self.discriminator_loss, adam),
            Phase("generator", ("generator",), self.generator_loss, adam),
        ]

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = losses.explicit_real_logit(unlabeled.logits), losses.explicit_real_logit(fake.logits)
        return losses.discriminator_terms(labeled.logits[:, :-1], batch.y_l, r_u, r_f, self.config.unlabeled_weight)

    def generator_loss(self, batch: Batch) -> Terms:
        x_f = self.generator(self.latent(batch, "generator"))
        r_f = losses.explicit_real_logit(self.discriminator(x_f).logits)
        return {"total": losses.generator_nonsaturating(r_f)}
