"""GAN: trained without labels; the labels only train a linear layer on the discriminator's features.

Paper: Goodfellow et al.: Generative Adversarial Nets (NIPS 2014), arXiv:1406.2661, eq. 1 and algorithm 1; the linear layer on
features as in Radford, Metz, Chintala: DCGAN (ICLR 2016), arXiv:1511.06434, section 5.1. It is the line that shows what
features learned without labels give; the K+1 methods let the labels into the discriminator.

Objective, with real/fake logit r, f the discriminator's last features, A a linear layer:
    D:      min  E_u softplus(-r(x)) + E_z softplus(r(G(z)))
    G:      min  E_z softplus(-r(G(z)))                          (non-saturating)
    probe:  min  E_labeled CE(A f(x), y)                         f is constant, and without its noise

Deviations:
    1. The probe is learned along with the GAN, not after it, so that one run has one curve.
    2. Features are those of the last layer; DCGAN pools and joins all layers.
    3. The networks of `net.family`.
    4. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected error: no figure for MNIST with few labels in the papers; DCGAN reports 22.48 % on SVHN with 1,000 labels.
Cost: as feature matching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from ssgan import nets
from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Adam, Phase, SemiSupervisedMethod, Terms
from ssgan.nets.layers import Classifier, forward_parts, without_noise
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.generating import generated
from ssgan.players.two import default_clip


class Config(MethodConfig):
    learning_rate: float = Field(default=1e-3, gt=0)  # of both players
    beta1: float = Field(default=0.5, ge=0, lt=1)  # of Adam, both players
    probe_learning_rate: float = Field(default=0.03, gt=0)

    @field_validator("muon_rate")
    @classmethod
    def _no_hidden_layer(cls, rate: float) -> float:
        if rate:
            raise ValueError("the classifier of gan is one linear layer, which Muon does not change; leave it at 0")
        return rate


class Method(SemiSupervisedMethod):
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        family = nets.family(problem.net.family)
        self.nets["discriminator"] = family.classifier(problem, 1)
        self.nets["generator"] = family.generator(problem)
        self.default_clip = default_clip(family, config)
        num_features = self._features(torch.zeros(1, *problem.input.shape)).shape[1]
        self.nets["classifier"] = nn.Linear(num_features, problem.num_classes)

    @torch.no_grad()
    def _features(self, x: Tensor) -> Tensor:
        """(N, C, S, S) -> (N, F), without noise, as ``predict`` will see them; no gradient."""
        with without_noise(self.discriminator):
            return self.discriminator.features(x)

    @property
    def discriminator(self) -> Classifier:
        return cast(Classifier, self.nets["discriminator"])

    @property
    def averaged(self) -> tuple[str, ...]:
        return ("discriminator", "classifier")

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.discriminator, batch.x_u)
        data_dependent_init(self.nets["generator"], self.latent(batch, "init"))

    def phases(self) -> Sequence[Phase]:
        adam = Adam(self.config.learning_rate, (self.config.beta1, 0.999))
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, adam),
            Phase("generator", ("generator",), self.generator_loss, adam),
            Phase("probe", ("classifier",), self.probe_loss, Adam(self.config.probe_learning_rate)),
        ]

    def fakes(self, batch: Batch, phase: str) -> Tensor:
        """(U, C, S, S) images of the generator from the latents of a phase."""
        return generated(self.nets["generator"], lambda n: self.latent(batch, phase, n), len(batch.x_u))

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            x_f = self.fakes(batch, "discriminator")
        r_u, r_f = (out.logits[:, 0] for out in forward_parts(self.discriminator, batch.x_u, x_f))
        terms = {"real": losses.real(r_u), "fake": losses.fake(r_f)}
        with torch.no_grad():
            terms["real_accuracy"] = (r_u > 0).float().mean()
            terms["fake_accuracy"] = (r_f < 0).float().mean()
        return terms | {"total": terms["real"] + terms["fake"]}

    def generator_loss(self, batch: Batch) -> Terms:
        x_f = self.fakes(batch, "generator")
        return {"total": losses.generator_nonsaturating(self.discriminator(x_f).logits[:, 0])}

    def probe_loss(self, batch: Batch) -> Terms:
        features = self._features(batch.x_l)
        logits = self.nets["classifier"](features)
        accuracy = (logits.detach().argmax(1) == batch.y_l).float().mean()
        return {"total": losses.cross_entropy(logits, batch.y_l), "labeled_accuracy": accuracy}

    def predict(self, x: Tensor) -> Tensor:
        logits: Tensor = self.nets["classifier"](self.discriminator.features(x))
        return logits

    def sample(self, n: int) -> Tensor:
        generator = self.nets["generator"]
        samples: Tensor = generator(torch.rand(n, self.problem.net.latent_dim, device=next(generator.parameters()).device))
        return samples
