"""UGAN: one classifier learns from a good generator (of pairs) and from a bad one (off the data) at once.

Paper: Li et al.: Semi-supervised learning with a generative adversarial network of a good and a bad generator (UGAN, 2019;
Machine Vision and Applications 2020). Of the paper only the abstract was read, and the losses in the first author's code;
training loop and tables were not to be had. This is our reading of it.

Objective: D and the good generator as in Triple-GAN; with f, l features and logits of the classifier, r = lse(l):
    G_bad:  min  mean_j | E_z f_j(G_bad(z)) - E_u f_j(x) | + pull_away * PT(f(G_bad(z)))
    C:      min  CE(x_l, y_l) + A + bad * B,  A the other terms of Triple-GAN's classifier,
            B = 1/2 E_u sp(-r(x)) + 1/2 E_z sp(r(G_bad(z)))

Deviations:
    1. As Triple-GAN, 1 to 6; the classifier learns for 1,000 steps without the good generator, and has the rate of the others.
    2. No manifold term (some variants of the code have one, at a size that makes it zero).
    3. Both weights of A and B are constant; their schedule is unknown.

Expected error on MNIST (paper): 20 labels, selected by hand, 2.66 +- 6.86 %, 50: 1.08 +- 0.13, 100: 0.79 +- 0.08, 200:
0.65 +- 0.05.
Cost: about 4 times feature matching with the same networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from ssgan import nets
from ssgan.config import Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Adam, Phase, Terms
from ssgan.nets.layers import forward_parts
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.generating import generated
from ssgan.players.three import ThreePlayerConfig, ThreePlayerMethod


class Config(ThreePlayerConfig):
    classifier_learning_rate: float = Field(default=1e-3, gt=0)  # of the classifier
    classifier_beta1: float = Field(default=0.5, ge=0, lt=1)  # of Adam
    pretrain_steps: int = Field(default=1000, ge=0)  # in which the classifier learns without the good generator
    adversarial_weight: float = Field(default=0.01, ge=0)
    bad_weight: float = Field(default=1.0, ge=0)
    pull_away_weight: float = Field(default=0.8, ge=0)


class Method(ThreePlayerMethod):
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        self.nets["bad_generator"] = nets.family(problem.net.family).generator(problem)

    def init(self, batch: Batch) -> None:
        super().init(batch)
        data_dependent_init(self.nets["bad_generator"], self.latent(batch, "init-bad"))

    def phases(self) -> Sequence[Phase]:
        discriminator, generator, classifier = super().phases()
        adam = Adam(self.config.learning_rate, (self.config.beta1, 0.999))
        bad = Phase("bad_generator", ("bad_generator",), self.bad_generator_loss, adam)
        return [discriminator, generator, bad, classifier]

    def bad_fakes(self, batch: Batch, phase: str) -> Tensor:
        """(U, C, S, S) images of the bad generator from the latents of a phase."""
        return generated(self.nets["bad_generator"], lambda n: self.latent(batch, phase, n), len(batch.x_u))

    def bad_generator_loss(self, batch: Batch) -> Terms:
        features_fake = self.net.features(self.bad_fakes(batch, "bad_generator"))
        with torch.no_grad():
            features_real = self.net.features(batch.x_u2)
        terms = {
            "matching": losses.feature_matching_l1(features_fake, features_real),
            "pull_away": losses.pull_away(features_fake),
        }
        return terms | {"total": terms["matching"] + self.config.pull_away_weight * terms["pull_away"]}

    def classifier_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            x_bad = self.bad_fakes(batch, "classifier-bad")
        labeled, unlabeled, bad = (out.logits for out in forward_parts(self.net, batch.x_l, batch.x_u, x_bad))
        terms = self.classifier_terms(batch, labeled, unlabeled)
        terms["real"] = losses.real(losses.implicit_real_logit(unlabeled))
        terms["bad"] = losses.fake(losses.implicit_real_logit(bad))
        return terms | {"total": terms["total"] + self.config.bad_weight * 0.5 * (terms["real"] + terms["bad"])}
