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
    3. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected (Odena, MNIST accuracy, convolutional): 100 labels 92.8 % against 89.5 % supervised. Cost: as feature matching.
"""

from __future__ import annotations

from torch import Tensor

from ssgan.core import losses
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    pass


class Method(TwoPlayerMethod):
    fake_logits = 1

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.explicit_real_logit(logits)
