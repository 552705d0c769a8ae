"""Losses: tensors in, one scalar out. No parameters, no state, no randomness.

Letters: L labeled, U unlabeled, N any number of images, K classes, F features.
``r`` is a real/fake logit, P(real|x) = sigmoid(r); ``lse`` is log-sum-exp over classes. All losses are computed in float32
(``logsumexp`` and ``softplus`` lose too much in bfloat16), and check shapes at the door: (N, 1) against (N,) broadcasts
silently.

With the identity -a + softplus(a) = softplus(-a), every GAN term below is a softplus of plus or minus r.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ssgan.core.distributed import batch_mean, batch_means, gathered, sums_over_ranks, world_size


def _check(x: Tensor, dims: int, name: str) -> Tensor:
    if x.ndim != dims:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected {dims} dimension(s)")
    return x.float()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over L of lse(l) - l_y: (L, K) logits, (L,) int64 labels -> scalar >= 0.

    With K logits of a discriminator with an implicit fake class this is -log p(y | x, y <= K)
    (Salimans et al. 2016, section 5, L_supervised).
    """
    logits = _check(logits, 2, "logits")
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; expected {tuple(logits.shape[:1])}")
    return F.cross_entropy(logits, labels)


def masked_cross_entropy(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Sum over N of mask * (lse(l) - l_y), divided by N (not by the sum of the mask): (N, K), (N,), (N,) -> scalar >= 0.

    Sohn et al. 2020, eq. 4.
    """
    return (F.cross_entropy(_check(logits, 2, "logits"), labels, reduction="none") * _check(mask, 1, "mask")).mean()


def implicit_real_logit(logits: Tensor) -> Tensor:
    """r(x) = lse(l(x)): (N, K) -> (N,). From D(x) = Z/(Z+1), Z = sum_k exp l_k (Salimans et al. 2016, section 5)."""
    return torch.logsumexp(_check(logits, 2, "logits"), dim=1)


def explicit_real_logit(logits: Tensor) -> Tensor:
    """r(x) = lse(l_1..l_K) - l_fake: (N, K+1), fake class last -> (N,). (Odena 2016; Salimans et al. 2016, section 5)"""
    logits = _check(logits, 2, "logits")
    return torch.logsumexp(logits[:, :-1], dim=1) - logits[:, -1]


def real(r: Tensor) -> Tensor:
    """Cost of not classifying it as real: mean softplus(-r) = -mean log D: (N,) -> scalar >= 0 (Goodfellow 2014, eq. 1)."""
    return F.softplus(-_check(r, 1, "r")).mean()


def fake(r: Tensor) -> Tensor:
    """Cost of not classifying it as fake: mean softplus(r) = -mean log(1 - D): (N,) -> scalar >= 0 (Goodfellow 2014, eq. 1)."""
    return F.softplus(_check(r, 1, "r")).mean()


def smoothed_real(r: Tensor, smoothing: float) -> Tensor:
    """Mean of a softplus(-r) + (1 - a) softplus(r), a = 1 - smoothing: (N,) -> scalar >= 0, least at D = a.

    The cost of a real image with one-sided label smoothing (Salimans et al. 2016, section 3.4); fake ones keep the target 0.
    """
    return real(r) if not smoothing else (1.0 - smoothing) * real(r) + smoothing * fake(r)


def discriminator_terms(
    logits_l: Tensor, y_l: Tensor, r_u: Tensor, r_f: Tensor, unlabeled_weight: float, label_smoothing: float = 0.0
) -> dict[str, Tensor]:
    """The K+1 discriminator's objective, of either form of the fake class (Salimans et al. 2016, section 5).

    total = CE(l, y) + unlabeled_weight * (1/2 mean softplus(-r_u) + 1/2 mean softplus(r_f)); the halves are those of the
    authors' code. With label smoothing, ``smoothed_real`` stands for softplus(-r_u). Logits of the K real classes (L, K),
    labels (L,), real/fake logits (U,) of unlabeled and (N,) of fake images. The accuracies are shares in [0, 1] of correctly
    classified images, for the health monitor; no gradient.
    """
    terms = {"labeled": cross_entropy(logits_l, y_l), "unlabeled_real": smoothed_real(r_u, label_smoothing), "fake": fake(r_f)}
    terms["total"] = terms["labeled"] + unlabeled_weight * 0.5 * (terms["unlabeled_real"] + terms["fake"])
    with torch.no_grad():
        terms["real_accuracy"] = (r_u > 0).float().mean()
        terms["fake_accuracy"] = (r_f < 0).float().mean()
        terms["labeled_accuracy"] = (logits_l.argmax(1) == y_l).float().mean()
    return terms


def generator_nonsaturating(r: Tensor) -> Tensor:
    """The generator's cost -mean log D(G(z)): (N,) -> scalar >= 0 (Goodfellow 2014, section 3)."""
    return real(r)


def generator_saturating(r: Tensor) -> Tensor:
    """The generator's cost mean log(1 - D(G(z))): (N,) -> scalar <= 0 (Goodfellow 2014, eq. 1)."""
    return -fake(r)


ADVERSARIAL = {"nonsaturating": generator_nonsaturating, "saturating": generator_saturating}


def feature_matching(features_fake: Tensor, features_real: Tensor) -> Tensor:
    """Mean over F of the squared difference of batch means: (N, F), (M, F) -> scalar >= 0.

    Salimans et al. 2016, section 3.1, divided by F as in the authors' MNIST code. The means are over the global batch.
    """
    fake_mean, real_mean = batch_means(_check(features_fake, 2, "features_fake"), _check(features_real, 2, "features_real"))
    return (fake_mean - real_mean).square().mean()


def feature_matching_l1(features_fake: Tensor, features_real: Tensor) -> Tensor:
    """Mean over F of the absolute difference of batch means, as in the authors' SVHN and CIFAR-10 code."""
    fake_mean, real_mean = batch_means(_check(features_fake, 2, "features_fake"), _check(features_real, 2, "features_real"))
    return (fake_mean - real_mean).abs().mean()


MATCHING = {"squared": feature_matching, "absolute": feature_matching_l1}


def softmax_mean(logits: Tensor) -> Tensor:
    """Mean of the predictions over the global batch: (N, K) -> (K,)."""
    return batch_mean(torch.softmax(_check(logits, 2, "logits"), dim=1))


def conditional_entropy(logits: Tensor) -> Tensor:
    """Mean over N of H(softmax(l)) in nats, in [0, log K]: (N, K) -> scalar (Springenberg 2016, eq. 4)."""
    log_p = torch.log_softmax(_check(logits, 2, "logits"), dim=1)
    return -(log_p.exp() * log_p).sum(1).mean()


def marginal_entropy(logits: Tensor) -> Tensor:
    """H of the mean prediction of the global batch, in [0, log K]: (N, K) -> scalar (Springenberg 2016, eq. 5).

    A class that nothing is assigned to counts as a probability of 1e-30: no NaN, and no bias that float32 could show.
    """
    mean = softmax_mean(logits).clamp_min(1e-30)
    return -(mean * mean.log()).sum()


def balance(logits: Tensor) -> Tensor:
    """-1/K sum_k log of the mean prediction of the global batch, at least log K: (N, K) -> scalar.

    Cross-entropy from the uniform distribution to the mean prediction (Li et al. 2017, code).
    """
    return -softmax_mean(logits).clamp_min(1e-30).log().mean()


def expected_over_classes(logits: Tensor, costs: Tensor) -> Tensor:
    """Mean over N of sum_k softmax(l)_k * cost_k: (N, K), (N, K) -> scalar.

    The expectation over the classifier's answers, in full instead of by a sample (Li et al. 2017, eq. 3).
    """
    if costs.shape != logits.shape:
        raise ValueError(f"costs have shape {tuple(costs.shape)}; expected {tuple(logits.shape)}")
    return (torch.softmax(_check(logits, 2, "logits"), dim=1) * _check(costs, 2, "costs")).sum(1).mean()


def squared_consistency(logits: Tensor, target_logits: Tensor) -> Tensor:
    """Mean over N and K of the squared difference of two predictions: (N, K), (N, K) -> scalar in [0, 1].

    Laine & Aila 2017; Tarvainen & Valpola 2017, eq. 1.
    """
    difference = torch.softmax(_check(logits, 2, "logits"), 1) - torch.softmax(_check(target_logits, 2, "target_logits"), 1)
    return difference.square().mean()


def pull_away(features: Tensor) -> Tensor:
    """Mean over i != j of the squared cosine between features i and j of the global batch: (N, F) -> scalar in [0, 1].

    Zhao et al. 2017, eq. 5; Dai et al. 2017, section 4. With unit rows u, the sum over all pairs is |sum_i u_i u_i^T|^2, which
    costs F^2 instead of N^2 over ranks. A feature of norm 0 is orthogonal to every other.
    """
    features = _check(features, 2, "features")
    n = features.shape[0] * world_size()
    with torch.autocast(features.device.type, enabled=False):
        unit = features / features.norm(dim=1, keepdim=True).clamp_min(1e-8)
        products, itself = sums_over_ranks(unit.T @ unit, unit.square().sum(1).square().sum())
        all_pairs = products.square().sum()
    return (all_pairs - itself) / (n * (n - 1))


def log_density(features: Tensor, others: Tensor, bandwidth: Tensor) -> Tensor:
    """Log of a Gaussian kernel density without its constant: (N, F), (M, F), scalar -> (N,) <= 0.

    log 1/M sum_j exp( -|f - g_j|^2 / (2 h^2) )
    """
    with torch.autocast(features.device.type, enabled=False):
        squared = torch.cdist(_check(features, 2, "features"), _check(others, 2, "others")).square()
    return torch.logsumexp(-squared / (2 * bandwidth**2), dim=1) - math.log(others.shape[0])


def low_density(features_fake: Tensor, features_real: Tensor, features_real2: Tensor, quantile: float) -> Tensor:
    """Mean of log p - eps over the fake images with log p > eps; 0 if there is none: (N, F), (M, F), (M, F) -> scalar >= 0.

    Dai et al. 2017, eq. 6, with p a kernel density in feature space (of ``features_real2``) in the place of a PixelCNN. eps is
    the given quantile of log p over ``features_real``, the bandwidth the median distance between the two real batches. The
    real batches are constants.
    """
    real, others = (gathered(_check(f.detach(), 2, "features_real")) for f in (features_real, features_real2))
    with torch.no_grad(), torch.autocast(real.device.type, enabled=False):
        bandwidth = torch.cdist(real, others).median().clamp_min(1e-6)
        threshold = torch.quantile(log_density(real, others, bandwidth), quantile)
    return above_threshold(log_density(features_fake, others, bandwidth), threshold)


def above_threshold(log_p: Tensor, threshold: Tensor) -> Tensor:
    """Mean of log p - eps over images of the global batch with log p > eps; 0 if there is none: (N,), scalar -> scalar >= 0.

    Dai et al. 2017, eq. 6.
    """
    above = _check(log_p, 1, "log_p") - threshold
    share = batch_mean((above.detach() > 0).float()).clamp_min(1e-6)
    return torch.relu(above).mean() / share


def variational_entropy(mean: Tensor, log_sigma: Tensor, z: Tensor) -> Tensor:
    """Mean over N of -log N(z; mean, exp(log_sigma)^2) without its constant: (N, Z), (N, Z), (N, Z) -> scalar.

    Dai et al. 2017, section 4: minus a bound on the generator's entropy. It has no lower bound of its own, so log_sigma stays
    above -5.
    """
    log_sigma = _check(log_sigma, 2, "log_sigma").clamp_min(-5.0)
    return (log_sigma + (z - _check(mean, 2, "mean")).square() / (2 * torch.exp(2 * log_sigma))).sum(1).mean()


def squared_distance(parameters: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """Sum over all tensors and entries of the squared difference -> scalar >= 0.

    With ``others`` the mean of the parameters over time: historical averaging (Salimans et al. 2016, section 3.3).
    """
    return torch.stack([(p - other).square().sum() for p, other in zip(parameters, others, strict=True)]).sum()
