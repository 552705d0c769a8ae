"""K logits with an implicit fake class ("Option II"): the discriminator is the classifier, the generator is adversarial.

Paper: Salimans et al.: Improved Techniques for Training GANs (NIPS 2016), arXiv:1606.03498, section 5: fixing the fake
logit at 0 gives D(x) = Z/(Z+1), Z = sum_k exp l_k(x), so the real/fake logit is r = lse(l). Generator: the non-saturating
cost of Goodfellow et al. 2014, section 3.

Objective:
    D:  min  E_labeled [ lse(l(x)) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  E_z softplus(-r(G(z)))

Deviations:
    1. The average of the weights is bias-corrected.
    2. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected: little over supervised-only on MNIST (the paper finds that matching features, not this cost, makes
semi-supervised learning work). It is here as the baseline of the slide deck. Cost: as feature matching.
"""

from __future__ import annotations

from torch import Tensor

from ssgan.core import losses
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    pass


class Method(TwoPlayerMethod):
    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)
