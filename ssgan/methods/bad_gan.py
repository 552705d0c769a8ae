"""Bad GAN: feature matching with a generator that is pushed off the data, so that classes are separated in low-density regions.

Paper: Dai, Yang, Yang, Cohen, Salakhutdinov: Good Semi-supervised Learning that Requires a Bad GAN (NIPS 2017),
arXiv:1705.09783, eq. 4 to 9; weights from the authors' code.

Objective, with r = lse(l), f the features, H the entropy of softmax(l):
    D:  that of feature matching  + entropy * E_unlabeled H(p(x))
    G:  feature matching + pull_away * PT(f(G(z))) + variational * VI(G) + low_density * LD(f(G(z)))
    PT = mean over i != j of cos^2(f_i, f_j);  VI = -log q(z | G(z)), q an encoder that is trained with G;
    LD = mean of log p - eps over the fake images with log p > eps.

Deviations:
    1. p in LD is a kernel density of features, and eps the quantile `density_quantile` of it over unlabeled images of the same
       step; LD then stands in every step from `density_start` on.
    2. `density: pixels` is the paper's form: p is a PixelCNN++ over pixels, constant from `density_start` on. It differs in
       a. size: 16 features, one block per stage and 5 components, the authors 160, 3 and 10 (22 M parameters);
       b. training: here, beside the other networks, on unlabeled images before `density_start`; the authors load a trained one;
       c. eps: the quantile over two batches of unlabeled images when p becomes constant; the authors' code takes test images;
       d. scale: log p is divided by the number of pixels and channels (the authors' weight 1e-4 is 0.078 on MNIST then);
       e. time: LD stands in every tenth step from `density_start` on (`density_every`), in the code in a random tenth.
    3. The encoder is a classifier network of `net.family` with 2 Z outputs; log sigma is at least -5.
    4. As in feature matching: Adam's epsilon, and an average of weights (the authors have none).
    5. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected error (paper): MNIST, 100 labels, 0.795 +- 0.098 %; SVHN, 1,000 labels, 4.25 +- 0.03 % (with PT and entropy); CIFAR-10,
4,000 labels, 14.41 +- 0.30 % (with VI). 20 and 50 labels: none published.
Cost: as feature matching; with VI a forward and backward pass of the encoder more; `density: pixels` see docs/results/log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from ssgan import nets
from ssgan.config import Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.distributed import gathered, global_rand, share, world_size
from ssgan.core.method import Adam, Phase, Terms
from ssgan.core.seeds import fold
from ssgan.errors import ConfigError
from ssgan.nets.pixelcnn import PixelCNN
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.generating import generated
from ssgan.players.two import PlayersConfig, Rates, TwoPlayerMethod
from ssgan.wording import counted


class Config(PlayersConfig):
    # of the discriminator; null: the authors', 3e-3 with perceptrons (their MNIST), 1e-3 with convolutions (SVHN)
    learning_rate: float | None = Field(default=None, gt=0)
    generator_learning_rate: float = Field(default=1e-3, gt=0)  # also of the encoder
    adam_epsilon: float = Field(default=1e-4, gt=0)  # as in feature_matching, deviation 1
    distance: Literal["squared", "absolute"] = "squared"  # absolute: the authors' code for SVHN and CIFAR-10
    entropy_weight: float = Field(default=0.0, ge=0)  # the authors: 0 on MNIST, 0.1 on SVHN
    pull_away_weight: float = Field(default=0.1, ge=0)  # the authors: 0 on MNIST, 0.8 on SVHN
    variational_weight: float = Field(default=0.0, ge=0)  # the authors: 0.01 on CIFAR-10; 0: no encoder
    low_density_weight: float = Field(default=0.1, ge=0)
    density: Literal["features", "pixels"] = "features"  # kernel density of features, or PixelCNN++
    density_start: int = Field(default=2000, ge=0)  # first step with the low-density term; the authors: 9,000
    density_quantile: float = Field(default=0.1, ge=0, le=1)  # of real images, below which a density counts as low
    density_width: int = Field(default=16, gt=0)  # pixels: features of each stack; the authors: 160
    density_blocks: int = Field(default=1, gt=0)  # pixels: gated blocks per stage; the authors: 3
    density_mixtures: int = Field(default=5, gt=0)  # pixels: logistics per pixel; the authors: 10
    density_learning_rate: float = Field(default=1e-3, gt=0)  # pixels: of the PixelCNN++
    density_images: int = Field(default=32, gt=0)  # pixels: real ones per step of its training, fake ones per step with LD
    density_every: int = Field(default=10, gt=0)  # pixels: LD at steps divisible by it

    @model_validator(mode="after")
    def _density_is_trained_first(self) -> Config:
        if self.density == "pixels" and self.low_density_weight and self.density_start == 0:
            raise ValueError(
                "density_start is 0, but with density pixels it is the time to train the density; set it to 1 or more"
            )
        return self

    @property
    def first_comparable_step(self) -> int:
        return self.density_start


class Method(TwoPlayerMethod):
    unlabeled_streams = 2
    rates = Rates(perceptron=3e-3, convolutional=1e-3)
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        if config.variational_weight:
            self.nets["encoder"] = nets.family(problem.net.family).classifier(problem, 2 * problem.net.latent_dim)
        self.density_images = min(config.density_images, config.batch_size)
        if config.density == "pixels" and config.low_density_weight:
            self._add_density(config, problem)

    def _add_density(self, c: Config, problem: Problem) -> None:
        if self.density_images % world_size():
            raise ConfigError(
                f"method.options.density_images is {self.density_images}, which {counted(world_size(), 'worker')} cannot "
                "share evenly; change it or train.num_workers"
            )
        density = PixelCNN(problem.image.channels, c.density_width, c.density_blocks, c.density_mixtures)
        # A buffer, so that checkpoints have it. Until it is known, no image is above it.
        density.register_buffer("threshold", torch.tensor(math.inf))
        self.nets["density"] = density

    def init(self, batch: Batch) -> None:
        super().init(batch)
        if "encoder" in self.nets:
            data_dependent_init(self.nets["encoder"], batch.x_u)
        if "density" in self.nets:
            data_dependent_init(self.nets["density"], batch.x_u[:100])

    def phases(self) -> Sequence[Phase]:
        discriminator, generator = super().phases()
        adam = replace(generator.optimizer, lr=self.config.generator_learning_rate)
        trains = tuple(name for name in ("generator", "encoder") if name in self.nets)
        phases = [discriminator, replace(generator, trains=trains, optimizer=adam)]
        if "density" in self.nets:
            density_adam = Adam(self.config.density_learning_rate)
            phases.append(Phase("density", ("density",), self.density_loss, density_adam, stop=self.config.density_start))
        return phases

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
        terms = losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, self.config.unlabeled_weight)
        terms["entropy"] = losses.conditional_entropy(unlabeled.logits)
        return terms | {"total": terms["total"] + self.config.entropy_weight * terms["entropy"]}

    def generator_loss(self, batch: Batch) -> Terms:
        c, x_f = self.config, self.fakes(batch, "generator")
        features_fake = self.discriminator.features(x_f)
        with torch.no_grad():
            features_real = self.discriminator.features(batch.x_u2)
        terms = {
            "matching": losses.MATCHING[c.distance](features_fake, features_real),
            "pull_away": losses.pull_away(features_fake),
        }
        total = terms["matching"] + c.pull_away_weight * terms["pull_away"]
        if self.uses_low_density(batch.step):
            pixels = "density" in self.nets
            terms |= self.low_density_pixels(batch) if pixels else self.low_density(features_fake, features_real, batch.x_u)
            total = total + c.low_density_weight * terms["low_density"]
        if "encoder" in self.nets:
            mean, log_sigma = self.nets["encoder"](x_f).logits.chunk(2, dim=1)
            terms["variational"] = losses.variational_entropy(mean, log_sigma, self.latent(batch, "generator"))
            total = total + c.variational_weight * terms["variational"]
        return terms | {"total": total}

    def uses_low_density(self, step: int) -> bool:
        """Whether LD is part of the generator's objective at a step."""
        c = self.config
        every = c.density_every if "density" in self.nets else 1
        return c.low_density_weight > 0 and step >= c.density_start and step % every == 0

    def density_is_ready(self, step: int) -> bool:
        """Whether the density of pixels becomes constant with this step."""
        return "density" in self.nets and step == self.config.density_start - 1

    def pattern(self, step: int) -> tuple[bool, ...]:
        return *super().pattern(step), self.uses_low_density(step), self.density_is_ready(step)

    def low_density(self, features_fake: Tensor, features_real: Tensor, x_u: Tensor) -> Terms:
        """LD by features, with the threshold from another batch of unlabeled images."""
        with torch.no_grad():
            threshold_features = self.discriminator.features(x_u)
        value = losses.low_density(features_fake, threshold_features, features_real, self.config.density_quantile)
        return {"low_density": value}

    # --- density of pixels -------------------------------------------------------------------------------------------

    def low_density_pixels(self, batch: Batch) -> Terms:
        """LD by pixels, of images from latents of its own: far fewer than a batch has, because it is expensive."""
        seed = fold(batch.seed, "latent", "density")
        dim, device = self.problem.net.latent_dim, batch.x_u.device
        n = self.density_images // world_size()
        x_f = generated(self.generator, lambda n: global_rand(n, dim, seed, device), n)
        log_p = self.log_p(x_f)
        value = losses.above_threshold(log_p, self.nets["density"].get_buffer("threshold"))
        return {"low_density": value, "fake_bits_per_dim": -log_p.detach().mean() / math.log(2)}

    def density_loss(self, batch: Batch) -> Terms:
        """Maximum likelihood on unlabeled images."""
        bits = -self.log_p(share(batch.x_u, self.density_images)).mean() / math.log(2)
        return {"bits_per_dim": bits.detach(), "total": bits * math.log(2)}

    def log_p(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [0, 1] -> (N,) nats per pixel and channel."""
        return self.nets["density"](x) / math.prod(x.shape[1:])

    @torch.no_grad()
    def after_step(self, batch: Batch) -> None:
        """The threshold, once, from training images, when the density has become constant."""
        if self.density_is_ready(batch.step):
            log_p = gathered(self.log_p(torch.cat([batch.x_u, batch.x_u2])))
            self.nets["density"].get_buffer("threshold").copy_(torch.quantile(log_p, self.config.density_quantile))
