"""Virtual adversarial training: predictions must not change in the direction in which they change most.

Paper: Miyato, Maeda, Koyama, Ishii: Virtual adversarial training (TPAMI 2018), arXiv:1704.03976, eq. 5 to 13, algorithm 1.

Objective, with p = softmax(l) and r_adv = eps g / |g|, no gradient through the first p, g and r_adv:
    min  E_labeled CE(l(x), y)  +  alpha E_all KL( p(x) || p(x + r_adv) )  +  beta E_unlabeled H(p(x))  +  gamma B
    g = grad_r KL( p(x) || p(x + r) ) at r = xi d, d uniform on the sphere; more power iterations replace d by g / |g|.
    B = -1/K sum_k log of the mean of p_k over the unlabeled images (Li et al. 2017).

Deviations:
    1. The network's noise and dropout are the same in all passes of a step (``same_noise``); drawn anew in each, it did not
       learn (docs/results/log/2026-11-24-mnist-other-methods.md).
    2. The divergence is of the labeled and of the unlabeled batch at equal weight per image. In the paper every image of the
       data set weighs the same, so the few labeled ones hardly count; here the network tends to memorize them, each in a small
       ball of its own, and to predict the same for all others (docs/results/log/2026-11-24-mnist-other-methods.md).
    3. B is not in the paper, whose network has batch norm on its logits, which may do the same; gamma = 0 leaves it out.
    4. The entropy is the paper's "VAT+EntMin", which it does not use on MNIST; beta = 0 leaves it out.

Expected error on MNIST, 100 labels: 1.36 % (paper).
Cost: three forward and two and a half backward passes of the labeled and unlabeled batch.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.distributed import global_rand, rank
from ssgan.core.method import Terms
from ssgan.core.seeds import fold
from ssgan.nets.layers import same_noise
from ssgan.players.one import OnePlayerConfig, OnePlayerMethod


class Config(OnePlayerConfig):
    vat_weight: float = Field(default=1.0, ge=0)  # alpha
    epsilon: float = Field(default=2.0, gt=0)  # |r_adv|, for pixels in [0, 1]
    xi: float = Field(default=1.0, gt=0)  # norm of the probe, for pixels in [0, 1]
    power_iterations: int = Field(default=1, ge=1)
    entropy_weight: float = Field(default=1.0, ge=0)  # beta
    balance_weight: float = Field(default=1.0, ge=0)  # gamma; for classes of about the same size, 0 where they are not


class Method(OnePlayerMethod):
    not_recorded = "draws the same noise several times in a step, from a seed that a recorded step would keep"
    config: Config

    def classifier_loss(self, batch: Batch) -> Terms:
        c, images = self.config, torch.cat([batch.x_l, batch.x_u])
        logits = self.noisy_logits(images, batch)
        logits_l, logits_u = logits[: len(batch.x_l)], logits[len(batch.x_l) :]
        moved = images + self.adversarial_step(images, logits.detach(), batch)
        terms = self.labeled_terms(batch, logits_l)
        terms["vat"] = divergence(logits.detach(), self.noisy_logits(moved, batch)).mean()
        terms["entropy"] = losses.conditional_entropy(logits_u)
        terms["balance"] = losses.balance(logits_u)
        regularizer = c.vat_weight * terms["vat"] + c.entropy_weight * terms["entropy"] + c.balance_weight * terms["balance"]
        return terms | {"total": terms["labeled"] + regularizer}

    def noisy_logits(self, images: Tensor, batch: Batch, *, frozen: bool = False) -> Tensor:
        """(N, C, S, S) -> (N, K), with the noise of this step: the same in every call, another one on every rank.

        ``frozen``: the weights are constants, so that a gradient for the images does not compute theirs.
        """
        with same_noise(fold(batch.seed, "vat noise", rank()), images.device):
            if not frozen:
                return self.net(images).logits
            weights = {name: p.detach() for name, p in self.net.named_parameters()}
            return functional_call(self.net, weights, (images,)).logits

    def adversarial_step(self, images: Tensor, logits: Tensor, batch: Batch) -> Tensor:
        """r_adv of every image: (N, C, S, S) images, (N, K) logits on them -> (N, C, S, S), each of norm eps."""
        direction = torch.cat([random_direction(x, fold(batch.seed, "vat", i)) for i, x in enumerate((batch.x_l, batch.x_u))])
        for _ in range(self.config.power_iterations):
            probe = (self.config.xi * direction).requires_grad_()
            cost = divergence(logits, self.noisy_logits(images + probe, batch, frozen=True)).sum()
            direction = unit(torch.autograd.grad(cost, probe)[0])
        return self.config.epsilon * direction


def random_direction(images: Tensor, seed: int) -> Tensor:
    """Uniform on the sphere, for every image its own: (N, C, S, S) -> the same shape, each of norm 1."""
    uniform = global_rand(images.shape[0], images[0].numel(), seed, images.device)
    return unit(torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6)).view_as(images))


def divergence(target_logits: Tensor, logits: Tensor) -> Tensor:
    """KL( softmax(target) || softmax(l) ) of every image, in nats: (N, K), (N, K) -> (N,) >= 0."""
    log_target, log_p = torch.log_softmax(target_logits.float(), 1), torch.log_softmax(logits.float(), 1)
    return (log_target.exp() * (log_target - log_p)).sum(1)


def unit(x: Tensor) -> Tensor:
    """Each image divided by its norm: (N, C, S, S) -> the same; zeros stay zeros.

    The largest pixel becomes 1 first: where a prediction is confident, the squares of the gradient underflow in float32.
    """
    flat = x.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(1e-37)
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)).view_as(x)
