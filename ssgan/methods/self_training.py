"""Self-training on features: a linear classifier is trained on its own most confident predictions, in ten rounds.

Paper: Lee: Pseudo-Label (ICML workshop 2013), with a linear classifier; shares of classes as in Berthelot et al. 2020
(ReMixMatch), arXiv:1911.09785, section 3.1.

Objective, round t of T:  the probe on the labels and on the most confident t/T of every class of
    y'(x) = argmax softmax(W f(x) - c),  c such that the mean of the softmax over unlabeled images has the given shares

The shares are estimated (`ssgan/fitting/shares.py`) unless given.

Deviations:
    1. Pseudo-labels of each round are those of the round before; the paper's are those of the batch before.
    2. The last classifier is brought back to the class shares of the labels, so that it has the prior of the probe.

Expected error: docs/results/photos.md; on skewed pools docs/results/harm.md. With `shares: equal` it loses accuracy where
they are not: 16 points with a pool skewed 5 to 1.
Cost: some seconds.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from ssgan.config import MethodConfig
from ssgan.errors import ConfigError
from ssgan.fitting.linear import Floats, Ints, Linear, label_shares
from ssgan.fitting.self_training import ROUNDS, self_training
from ssgan.fitting.shares import estimated_shares, rounded
from ssgan.players.fitted import FittedMethod
from ssgan.wording import counted


class Config(MethodConfig):
    # of classes among unlabeled images: estimated; equal; labels: those of the labels, drawn at random; or one per class
    shares: Literal["estimated", "equal", "labels"] | list[float] = "estimated"
    rounds: int = Field(default=ROUNDS, ge=1)


class Method(FittedMethod):
    config: Config

    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        shares = self._shares(x, y, unlabeled, seed)
        self.chosen = {"shares": rounded(shares)}
        return self_training(x, y, unlabeled, shares, seed, self.config.rounds)

    def _shares(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Floats:
        classes, given = self.problem.num_classes, self.config.shares
        if given == "estimated":
            return estimated_shares(x, y, unlabeled, classes, seed)
        if given == "equal":
            return np.full(classes, 1 / classes)
        if given == "labels":
            return label_shares(y, classes)
        shares = np.array(given, float)
        if len(shares) != classes or shares.min() < 0 or not np.isclose(shares.sum(), 1, atol=1e-3):
            raise ConfigError(
                f"`method.options.shares` is {given}, but there are {counted(classes, 'class')}; give a share for each, "
                "in the order of their ids, that sum to 1"
            )
        return shares
