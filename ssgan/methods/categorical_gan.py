"""CatGAN: a discriminator without a real/fake output; its predictions are confident on real images and uncertain on fake ones.

Paper: Springenberg: Unsupervised and Semi-supervised Learning with Categorical Generative Adversarial Networks (ICLR 2016),
arXiv:1511.06390, eq. 7 to 9.

Objective, with p = softmax(l), H the entropy, the mean inside H_m over the batch:
    D:  min  lambda E_labeled CE(l(x), y) + w(t) [ E_u H(p(x)) - H( E_u p(x) ) - phi E_z H(p(G(z))) ]
    G:  min  E_z H(p(G(z))) - H( E_z p(G(z)) )
    w(t): linear from 0 to 1 until step T.

Deviations:
    1. The networks of `net.family`; the paper's have batch normalization in the discriminator and other sizes.
    2. The entropies of real and fake images are ramped up: from step 0 they freeze classes before the labels name them.
    3. lambda = 1 throughout; ports draw labeled batches with a falling probability.
    4. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).
    5. phi, 1 in the paper: where the generator has become good, the term makes the discriminator undecided on real images.

Expected error on MNIST, 100 labels: 1.91 +- 0.10 % (paper, permutation-invariant networks), 1.39 +- 0.28 % (convolutional).
Cost on 28x28: as feature matching.
"""

from __future__ import annotations

from pydantic import Field

from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    labeled_weight: float = Field(default=1.0, gt=0)  # lambda
    ramp_steps: int = Field(default=2000, gt=0)  # steps, T
    fake_weight: float = Field(default=1.0, ge=0)  # phi; 0.3 keeps long trainings with convolutions from getting worse

    @property
    def first_comparable_step(self) -> int:
        return self.ramp_steps


class Method(TwoPlayerMethod):
    config: Config

    def schedule(self, step: int) -> dict[str, float]:
        """Of the entropies: w(t), times ``unlabeled_weight``."""
        return {"weight": self.config.unlabeled_weight * min(1.0, step / self.config.ramp_steps)}

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        terms = {
            "labeled": losses.cross_entropy(labeled.logits, batch.y_l),
            "unlabeled_entropy": losses.conditional_entropy(unlabeled.logits),
            "marginal_entropy": losses.marginal_entropy(unlabeled.logits),
            "fake_entropy": losses.conditional_entropy(fake.logits),
            "labeled_accuracy": (labeled.logits.argmax(1) == batch.y_l).float().mean(),
        }
        on_fakes = self.config.fake_weight * terms["fake_entropy"]
        entropies = terms["unlabeled_entropy"] - terms["marginal_entropy"] - on_fakes
        total = self.config.labeled_weight * terms["labeled"] + self.scheduled("weight", batch.step) * entropies
        return terms | {"total": total}

    def generator_loss(self, batch: Batch) -> Terms:
        logits = self.discriminator(self.fakes(batch, "generator")).logits
        terms = {"fake_entropy": losses.conditional_entropy(logits), "marginal_entropy": losses.marginal_entropy(logits)}
        return terms | {"total": terms["fake_entropy"] - terms["marginal_entropy"]}
