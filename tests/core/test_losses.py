"""Losses against formulas written from the papers in NumPy float64, which share no code with ssgan.core.losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ssgan.core import losses

RANDOM = np.random.default_rng(0)


def tensor(a: np.ndarray, grad: bool = False) -> Tensor:
    return torch.tensor(a, dtype=torch.float32, requires_grad=grad)


def z(logits: np.ndarray) -> np.ndarray:
    """Z(x) = sum_k exp l_k(x)"""
    return np.exp(logits).sum(1)


def test_cross_entropy_is_minus_log_of_the_softmax() -> None:
    logits, labels = RANDOM.normal(size=(7, 4)), RANDOM.integers(0, 4, 7)
    expected = -np.log(np.exp(logits[np.arange(7), labels]) / z(logits)).mean()
    assert losses.cross_entropy(tensor(logits), torch.tensor(labels)).item() == pytest.approx(expected, rel=1e-5)


def test_implicit_form_is_z_over_z_plus_one() -> None:
    """D(x) = Z/(Z+1): cost of real -log D, cost of fake -log(1-D) (Salimans et al. 2016, section 5)."""
    logits = RANDOM.normal(size=(9, 5))
    d = z(logits) / (z(logits) + 1)
    r = losses.implicit_real_logit(tensor(logits))
    assert losses.real(r).item() == pytest.approx(-np.log(d).mean(), rel=1e-5)
    assert losses.fake(r).item() == pytest.approx(-np.log(1 - d).mean(), rel=1e-5)


def test_explicit_form_is_one_minus_p_of_the_last_class() -> None:
    logits = RANDOM.normal(size=(9, 6))
    p_fake = np.exp(logits[:, -1]) / z(logits)
    r = losses.explicit_real_logit(tensor(logits))
    assert losses.real(r).item() == pytest.approx(-np.log(1 - p_fake).mean(), rel=1e-5)
    assert losses.fake(r).item() == pytest.approx(-np.log(p_fake).mean(), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6))
def test_explicit_equals_implicit_after_subtracting_the_fake_logit(seed: int, classes: int) -> None:
    """Equal losses; equal gradients of the features and weights under the logits (Salimans et al. 2016, section 5)."""
    random = np.random.default_rng(seed)
    features = {name: tensor(random.normal(size=(6, 8)), grad=True) for name in ("l", "u", "f")}
    weight = tensor(random.normal(size=(classes + 1, 8)), grad=True)
    labels = torch.tensor(random.integers(0, classes, 6))

    def terms(explicit: bool) -> Tensor:
        logits = {k: f @ weight.T for k, f in features.items()}
        if explicit:
            labeled, r = logits["l"][:, :-1], {k: losses.explicit_real_logit(logits[k]) for k in "uf"}
        else:
            shifted = {k: y[:, :-1] - y[:, -1:] for k, y in logits.items()}
            labeled, r = shifted["l"], {k: losses.implicit_real_logit(shifted[k]) for k in "uf"}
        return losses.discriminator_terms(labeled, labels, r["u"], r["f"], 1.0)["total"]

    a, b = terms(True), terms(False)
    torch.testing.assert_close(a, b)
    grads = [torch.autograd.grad(t, [*features.values(), weight]) for t in (a, b)]
    for x, y in zip(*grads, strict=True):
        torch.testing.assert_close(x, y, atol=1e-6, rtol=1e-4)


def test_discriminator_terms_add_up() -> None:
    logits, labels, u, f = RANDOM.normal(size=(4, 3)), np.array([0, 1, 2, 0]), RANDOM.normal(size=5), RANDOM.normal(size=6)
    terms = losses.discriminator_terms(tensor(logits), torch.tensor(labels), tensor(u), tensor(f), 0.7)
    ce = -np.log(np.exp(logits[np.arange(4), labels]) / z(logits)).mean()
    expected = ce + 0.7 * (0.5 * np.log1p(np.exp(-u)).mean() + 0.5 * np.log1p(np.exp(f)).mean())
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)
    assert terms["real_accuracy"].item() == pytest.approx((u > 0).mean())
    assert terms["fake_accuracy"].item() == pytest.approx((f < 0).mean())


def test_generator_wants_to_be_called_real() -> None:
    r = RANDOM.normal(size=11)
    expected = -np.log(1 / (1 + np.exp(-r))).mean()
    assert losses.generator_nonsaturating(tensor(r)).item() == pytest.approx(expected, rel=1e-5)


def test_feature_matching_compares_means_not_pairs() -> None:
    """|| E f(x) - E f(G(z)) ||^2 / F (Salimans et al. 2016, section 3.1); not an element-wise error of pairs."""
    a, b = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(8, 3))
    difference = a.mean(0) - b.mean(0)
    assert losses.feature_matching(tensor(a), tensor(b)).item() == pytest.approx((difference**2).sum() / 3, rel=1e-5)
    assert losses.feature_matching_l1(tensor(a), tensor(b)).item() == pytest.approx(np.abs(difference).sum() / 3, rel=1e-5)
    shuffled = b[RANDOM.permutation(8)]
    assert losses.feature_matching(tensor(b), tensor(shuffled)).item() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_large_logits_stay_finite(scale: float) -> None:
    logits = tensor(scale * RANDOM.normal(size=(6, 4)), grad=True)
    r = losses.implicit_real_logit(logits)
    total = losses.real(r) + losses.fake(r) + losses.cross_entropy(logits, torch.tensor([0, 1, 2, 3, 0, 1]))
    (gradient,) = torch.autograd.grad(total, [logits])
    assert torch.isfinite(total)
    assert torch.isfinite(gradient).all()


def test_losses_are_float32_under_bfloat16() -> None:
    logits = torch.randn(6, 4, dtype=torch.bfloat16)
    assert losses.implicit_real_logit(logits).dtype == torch.float32
    assert losses.cross_entropy(logits, torch.zeros(6, dtype=torch.int64)).dtype == torch.float32
    assert losses.feature_matching(logits, logits).dtype == torch.float32


def test_shapes_are_checked_at_the_door() -> None:
    with pytest.raises(ValueError, match=r"r has shape \(4, 1\)"):
        losses.real(torch.zeros(4, 1))
    with pytest.raises(ValueError, match=r"labels have shape"):
        losses.cross_entropy(torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.int64))


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / z(logits)[:, None]


def entropy(p: np.ndarray) -> float:
    return float(-sum(value * np.log(value) for value in p.ravel()))


def test_entropies_of_single_predictions_and_of_their_mean() -> None:
    """Springenberg 2016, eq. 4 and 5."""
    logits = RANDOM.normal(size=(11, 4))
    p = softmax(logits)
    assert losses.conditional_entropy(tensor(logits)).item() == pytest.approx(np.mean([entropy(row) for row in p]), rel=1e-5)
    assert losses.marginal_entropy(tensor(logits)).item() == pytest.approx(entropy(p.mean(0)), rel=1e-5)


@pytest.mark.parametrize("size", [1e4, 50.0])
def test_entropies_of_sure_and_of_unsure_predictions(size: float) -> None:
    sure = (size * torch.eye(4)).requires_grad_()
    for value, expected in ((losses.conditional_entropy(sure), 0.0), (losses.marginal_entropy(sure), np.log(4))):
        assert value.item() == pytest.approx(expected, abs=1e-6)
        assert torch.isfinite(torch.autograd.grad(value, sure, retain_graph=True)[0]).all()
    one_class = torch.tensor([[size, 0.0, 0.0]] * 3, requires_grad=True)
    dead = losses.marginal_entropy(one_class)
    assert dead.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(torch.autograd.grad(dead, one_class)[0]).all()
    uniform = torch.zeros(5, 7)
    assert losses.conditional_entropy(uniform).item() == pytest.approx(np.log(7), rel=1e-6)


def test_squared_difference_of_predictions() -> None:
    a, b = RANDOM.normal(size=(6, 5)), RANDOM.normal(size=(6, 5))
    p, q = softmax(a), softmax(b)
    difference = sum((p[i, k] - q[i, k]) ** 2 for i in range(6) for k in range(5)) / 30
    assert losses.squared_consistency(tensor(a), tensor(b)).item() == pytest.approx(difference, rel=1e-4)


def test_masked_cross_entropy_divides_by_all_images() -> None:
    """Sohn et al. 2020, eq. 4: 1/(mu B) sum of 1[max q >= tau] H."""
    logits, labels, mask = RANDOM.normal(size=(4, 3)), np.array([0, 2, 1, 1]), np.array([1.0, 0.0, 0.0, 1.0])
    p = softmax(logits)
    expected = -(np.log(p[0, 0]) + np.log(p[3, 1])) / 4
    value = losses.masked_cross_entropy(tensor(logits), torch.tensor(labels), tensor(mask))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_pull_away_is_the_mean_squared_cosine_of_pairs() -> None:
    """Dai et al. 2017, section 4: 1/(N(N-1)) sum over i != j of (f_i.f_j / |f_i||f_j|)^2."""
    f = RANDOM.normal(size=(6, 4))
    pairs = [(f[i] @ f[j] / (np.linalg.norm(f[i]) * np.linalg.norm(f[j]))) ** 2 for i in range(6) for j in range(6) if i != j]
    assert losses.pull_away(tensor(f)).item() == pytest.approx(np.mean(pairs), rel=1e-4)
    assert losses.pull_away(torch.ones(5, 3)).item() == pytest.approx(1.0, rel=1e-5)
    assert losses.pull_away(torch.eye(4)).item() == pytest.approx(0.0, abs=1e-6)
    dead = torch.cat([torch.zeros(1, 3), torch.ones(2, 3)]).requires_grad_()
    value = losses.pull_away(dead)
    assert value.item() == pytest.approx(2 / 6, rel=1e-5)  # one pair of three is parallel
    assert torch.isfinite(torch.autograd.grad(value, dead)[0]).all()


def test_low_density_punishes_fakes_in_the_midst_of_the_data_only() -> None:
    """Dai et al. 2017, eq. 6, with a kernel density in the place of p."""
    real, others = RANDOM.normal(size=(20, 3)), RANDOM.normal(size=(20, 3))
    fake = np.concatenate([np.zeros((2, 3)), np.full((3, 3), 9.0)])
    distance = np.linalg.norm(real[:, None] - others[None], axis=2)
    h = np.sort(distance.ravel())[(distance.size - 1) // 2]  # torch takes the lower median

    def log_p(x: np.ndarray) -> np.ndarray:
        d = np.linalg.norm(x[:, None] - others[None], axis=2)
        return np.log(np.exp(-(d**2) / (2 * h**2)).mean(1))

    eps = np.quantile(log_p(real), 0.25)
    above = log_p(fake) > eps
    assert above.tolist() == [True, True, False, False, False]
    x = tensor(fake, grad=True)
    value = losses.low_density(x, tensor(real), tensor(others), 0.25)
    assert value.item() == pytest.approx((log_p(fake)[above] - eps).mean(), rel=1e-3)
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient[2:].abs().sum() == 0
    assert gradient[:2].abs().sum() > 0
    assert losses.low_density(tensor(fake[2:]), tensor(real), tensor(others), 0.25).item() == 0.0


def test_variational_entropy_is_the_gaussian_log_likelihood_without_its_constant() -> None:
    mean, log_sigma, latent = (RANDOM.normal(size=(5, 3)) for _ in range(3))
    density = np.exp(-((latent - mean) ** 2) / (2 * np.exp(log_sigma) ** 2)) / (np.sqrt(2 * np.pi) * np.exp(log_sigma))
    expected = (-np.log(density) - 0.5 * np.log(2 * np.pi)).sum(1).mean()
    value = losses.variational_entropy(tensor(mean), tensor(log_sigma), tensor(latent))
    assert value.item() == pytest.approx(expected, rel=1e-4)
    at_floor = losses.variational_entropy(tensor(mean), torch.full((5, 3), -50.0), tensor(mean))
    assert at_floor.item() == pytest.approx(-15.0, rel=1e-5)


def test_balance_is_the_cross_entropy_from_uniform_to_the_mean_prediction() -> None:
    logits = RANDOM.normal(size=(8, 5))
    expected = -sum(0.2 * np.log(m) for m in softmax(logits).mean(0))
    assert losses.balance(tensor(logits)).item() == pytest.approx(expected, rel=1e-5)
    assert losses.balance(10 * torch.eye(4)).item() == pytest.approx(np.log(4), rel=1e-5)


def test_the_expectation_over_classes_is_exact_and_differentiable_through_the_probabilities() -> None:
    logits, costs = RANDOM.normal(size=(3, 4)), RANDOM.uniform(size=(3, 4))
    expected = np.mean([sum(p * c for p, c in zip(ps, cs, strict=True)) for ps, cs in zip(softmax(logits), costs, strict=True)])
    x = tensor(logits, grad=True)
    value = losses.expected_over_classes(x, tensor(costs))
    assert value.item() == pytest.approx(expected, rel=1e-5)
    assert torch.autograd.grad(value, x)[0].abs().sum() > 0
    with pytest.raises(ValueError, match="costs have shape"):
        losses.expected_over_classes(x, tensor(costs[:, :2]))
