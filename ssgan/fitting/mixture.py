"""A Gaussian for each class, all with one covariance, fitted to labeled and unlabeled images by EM: a linear classifier."""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear

REGULARIZATION = 1e-2  # added to the variances


def gaussian_mixture(x: Floats, y: Ints, unlabeled: Floats, classes: int, seed: int) -> Linear:
    """(L, P), (L,) and (U, P) -> a classifier. The labels say where each Gaussian begins."""
    from sklearn.mixture import GaussianMixture

    present = np.unique(y)
    means = np.stack([x[y == k].mean(0) for k in present])
    shares = np.array([(y == k).mean() for k in present])
    model = GaussianMixture(
        len(present), covariance_type="tied", means_init=means, weights_init=shares, reg_covar=REGULARIZATION, random_state=seed
    )
    model.fit(np.concatenate([x, unlabeled]))
    direction = np.linalg.solve(model.covariances_, model.means_.T)  # (P, K): log p(x | k) is linear in x
    weight, bias = np.zeros((x.shape[1], classes)), np.full(classes, -50.0)
    weight[:, present] = direction
    bias[present] = np.log(np.maximum(model.weights_, 1e-12)) - 0.5 * (model.means_ * direction.T).sum(1)
    return Linear(weight, bias)
