"""What all methods with a classifier, a conditional generator and a discriminator of pairs share (Li et al. 2017).

The pair logit s(x, y) says whether label y belongs to image x in the data. It is read off a network with K outputs,
s(x, k) = output k, so that one pass gives it for all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ssgan import nets
from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.distributed import rank
from ssgan.core.method import Adam, Phase, SemiSupervisedMethod, Terms
from ssgan.nets.layers import Classifier, forward_parts
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.generating import generated


class ThreePlayerConfig(MethodConfig):
    learning_rate: float = Field(default=1e-3, gt=0)  # of all players but the classifier
    beta1: float = Field(default=0.5, ge=0, lt=1)  # of Adam, all players but the classifier
    classifier_learning_rate: float = Field(default=3e-4, gt=0)  # of the classifier
    classifier_beta1: float = Field(default=0.9, ge=0, lt=1)  # of Adam
    pretrain_steps: int = Field(default=3600, ge=0)  # in which the classifier learns alone
    pretrain_balance_weight: float = Field(default=0.3, ge=0)  # of the balance term in these steps
    labeled_pair_share: float = Field(default=0.01, ge=0, le=1)  # of true labels among the discriminator's real pairs
    entropy_weight: float = Field(default=0.3, ge=0)
    balance_weight: float = Field(default=1e-3, ge=0)
    adversarial_weight: float = Field(default=1.0, ge=0)
    generated_weight: float = Field(default=0.1, ge=0)  # of the cross-entropy of generated pairs
    generated_start: int = Field(default=5000, ge=0)  # first step with it

    @property
    def first_comparable_step(self) -> int:
        return max(self.pretrain_steps, self.generated_start)


class ThreePlayerMethod(SemiSupervisedMethod):
    """One update of the discriminator, the generator and the classifier per step."""

    unlabeled_streams = 2
    config: ThreePlayerConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        family, classes = nets.family(problem.net.family), problem.num_classes
        conditional = replace(problem, net=problem.net.model_copy(update={"latent_dim": problem.net.latent_dim + classes}))
        self.nets["classifier"] = family.classifier(problem, classes)
        self.nets["discriminator"] = family.classifier(problem, classes)
        self.nets["generator"] = family.generator(conditional)

    @property
    def net(self) -> Classifier:
        """The classifier."""
        return cast(Classifier, self.nets["classifier"])

    @property
    def discriminator(self) -> Classifier:
        return cast(Classifier, self.nets["discriminator"])

    @property
    def generator(self) -> nn.Module:
        return self.nets["generator"]

    def phases(self) -> Sequence[Phase]:
        c = self.config
        adam = Adam(c.learning_rate, (c.beta1, 0.999))
        of_classifier = Adam(c.classifier_learning_rate, (c.classifier_beta1, 0.999))
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, adam, start=c.pretrain_steps),
            Phase("generator", ("generator",), self.generator_loss, adam, start=c.pretrain_steps),
            Phase("classifier", ("classifier",), self.classifier_loss, of_classifier),
        ]

    def parts(self, step: int) -> tuple[bool, bool]:
        """Whether the classifier learns alone, and whether it learns from generated pairs, in this step."""
        alone = step < self.config.pretrain_steps
        return alone, not alone and step >= self.config.generated_start

    def pattern(self, step: int) -> tuple[bool, ...]:
        return super().pattern(step) + self.parts(step)

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.net, batch.x_u)
        data_dependent_init(self.discriminator, batch.x_u)
        data_dependent_init(self.generator, self.conditional_latent(batch, "init")[0])

    # --- generated pairs ---------------------------------------------------------------------------------------------

    def conditional_latent(self, batch: Batch, phase: str, n: int | None = None) -> tuple[Tensor, Tensor]:
        """(n, Z + K) latents with one-hot classes behind, and the classes (n,): all classes in turn over the global batch.

        ``n``: as for ``latent``.
        """
        z = self.latent(batch, phase, n)
        n = z.shape[0]
        y = self._classes(rank() * n, n, z.device)
        return self._with_classes(z, y), y

    def fake_pairs(self, batch: Batch, phase: str) -> tuple[Tensor, Tensor]:
        """(U, C, S, S) images of the generator from the latents of a phase, and their classes (U,)."""
        n = len(batch.x_u)
        x_f = generated(self.generator, lambda n: self.conditional_latent(batch, phase, n)[0], n)
        return x_f, self._classes(rank() * n, n, x_f.device)

    def _with_classes(self, z: Tensor, y: Tensor) -> Tensor:
        """(N, Z) latents and (N,) classes -> (N, Z + K). Not by ``F.one_hot``, which asks for the largest class on a CPU."""
        one_hot = y.unsqueeze(1) == torch.arange(self.problem.num_classes, device=y.device)
        return torch.cat([z, one_hot.to(z.dtype)], dim=1)

    def _classes(self, first: int, n: int, device: torch.device) -> Tensor:
        return torch.arange(first, first + n, device=device) % self.problem.num_classes

    # --- losses ------------------------------------------------------------------------------------------------------

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Real pairs (true labels, and the classifier's answers on other images) against generated and classified ones."""
        with torch.no_grad():
            x_f, y_f = self.fake_pairs(batch, "discriminator")
            answers, pseudo = (out.logits for out in forward_parts(self.net, batch.x_u, batch.x_u2))
        outs = forward_parts(self.discriminator, batch.x_l, batch.x_u2, x_f, batch.x_u)
        s_l, s_p, s_f, s_u = (out.logits for out in outs)
        labeled, pseudo_real = pair(s_l, batch.y_l), pair(s_p, pseudo.argmax(1))
        share = self.config.labeled_pair_share
        terms = {
            "real": share * losses.real(labeled) + (1 - share) * losses.real(pseudo_real),
            "generated": losses.fake(pair(s_f, y_f)),
            "classified": losses.expected_over_classes(answers, F.softplus(s_u.float())),
        }
        with torch.no_grad():
            terms["real_accuracy"] = (pseudo_real > 0).float().mean()
            terms["fake_accuracy"] = (pair(s_f, y_f) < 0).float().mean()
        return terms | {"total": terms["real"] + 0.5 * (terms["generated"] + terms["classified"])}

    def generator_loss(self, batch: Batch) -> Terms:
        """The non-saturating cost of generated pairs."""
        x_f, y = self.fake_pairs(batch, "generator")
        return {"total": 0.5 * losses.generator_nonsaturating(pair(self.discriminator(x_f).logits, y))}

    def classifier_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled = (out.logits for out in forward_parts(self.net, batch.x_l, batch.x_u))
        return self.classifier_terms(batch, labeled, unlabeled)

    def classifier_terms(self, batch: Batch, labeled: Tensor, unlabeled: Tensor) -> Terms:
        """The classifier's cost, from its logits on labeled (L, K) and unlabeled (U, K) images."""
        c, (alone, with_pairs) = self.config, self.parts(batch.step)
        terms = {
            "labeled": losses.cross_entropy(labeled, batch.y_l),
            "entropy": losses.conditional_entropy(unlabeled),
            "balance": losses.balance(unlabeled),
        }
        balance_weight = c.pretrain_balance_weight if alone else c.balance_weight
        total = terms["labeled"] + c.entropy_weight * terms["entropy"] + balance_weight * terms["balance"]
        if not alone:
            with torch.no_grad():
                s = self.discriminator(batch.x_u).logits.float()
            terms["adversarial"] = losses.expected_over_classes(unlabeled, F.softplus(-s))
            total = total + c.adversarial_weight * 0.5 * terms["adversarial"]
        if with_pairs:
            with torch.no_grad():
                x_f, y = self.fake_pairs(batch, "classifier")
            terms["generated"] = losses.cross_entropy(self.net(x_f).logits, y)
            total = total + c.generated_weight * terms["generated"]
        with torch.no_grad():
            terms["labeled_accuracy"] = (labeled.argmax(1) == batch.y_l).float().mean()
        return terms | {"total": total}

    def predict(self, x: Tensor) -> Tensor:
        return self.net(x).logits

    def sample(self, n: int) -> Tensor:
        device = next(self.generator.parameters()).device
        z = torch.rand(n, self.problem.net.latent_dim, device=device)
        return self.generator(self._with_classes(z, self._classes(0, n, device)))


def pair(logits: Tensor, labels: Tensor) -> Tensor:
    """s(x, y): (N, K) pair logits of all classes, (N,) labels -> (N,)."""
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1)
