"""Auto: of linear probe, label spreading and self-training, the one that folds of the labels favor; the default on features.

Paper: none. Each candidate is fitted to the unlabeled images and all labels but those of a fold, and judged on that fold. Of
equal ones self-training wins, then label spreading; where a class has one label there are no folds, and it is label spreading.

Objective:  max over candidates of  the share of held-out labels that it gets right, over five folds

Deviations:
    1. None, for there is no paper.

Expected error: docs/results/photos.md.
Cost: five times that of its candidates, some seconds.
"""

from __future__ import annotations

from ssgan.config import MethodConfig
from ssgan.fitting.choice import best, candidates, scores
from ssgan.fitting.linear import Floats, Ints, Linear
from ssgan.players.fitted import FittedMethod


class Config(MethodConfig):
    pass


class Method(FittedMethod):
    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        fits = candidates(unlabeled, self.problem.num_classes, seed)
        found = scores(x, y, fits, seed)
        name = best(found)
        self.chosen = {"chosen": name, "accuracy_on_folds": found}
        return fits[name](x, y)
