"""Auto: linear probe, label spreading or self-training, selected by cross-validation on the labels; the default on features.

Paper: none. Each candidate is fitted to the unlabeled images and all labels but those of a fold, and scored on that fold. Of
equal ones self-training wins, then label spreading. With a single label in a class there are no folds: label spreading is used
if every class has one, else the probe. Shares of the classes among unlabeled images are estimated (`ssgan/fitting/shares.py`).

Objective:  max over candidates of  accuracy on held-out labels, over five folds

Deviations:
    1. None: there is no paper.

Expected error: docs/results/photos.md.
Cost: five times that of its candidates, some seconds.
"""

from __future__ import annotations

from ssgan.config import MethodConfig
from ssgan.fitting.choice import choose
from ssgan.fitting.linear import Floats, Ints, Linear
from ssgan.fitting.shares import rounded
from ssgan.players.fitted import FittedMethod


class Config(MethodConfig):
    pass


class Method(FittedMethod):
    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        found = choose(x, y, unlabeled, self.problem.num_classes, seed)
        self.chosen = {"chosen": found.name, "accuracy_on_folds": found.accuracy, "shares": rounded(found.shares)}
        return found.model
