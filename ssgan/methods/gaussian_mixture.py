"""Gaussian mixture on features: one Gaussian per class with a common covariance, fitted to all images by EM.

Paper: Nigam et al. 2000 (EM with few labels); on features of frozen networks: SemiOccam, arXiv:2506.03582.

Objective:  max  sum over all images of  log sum_k pi_k N(f(x); mu_k, Sigma),  EM begun at the means of the labels

Deviations:
    1. Labels only initialize the Gaussians; after that labeled images count like all others.
    2. One Gaussian per class; SemiOccam has more.

Expected error: docs/results/photos.md.
Cost: some seconds.
"""

from __future__ import annotations

from ssgan.config import MethodConfig
from ssgan.fitting.linear import Floats, Ints, Linear
from ssgan.fitting.mixture import gaussian_mixture
from ssgan.players.fitted import FittedMethod


class Config(MethodConfig):
    pass


class Method(FittedMethod):
    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        return gaussian_mixture(x, y, unlabeled, self.problem.num_classes, seed)
