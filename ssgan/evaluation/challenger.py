"""Champion against challenger: two finished models on the test images that both were judged on.

The test set is not opened for it. Each model brings the predictions that ``evaluate`` wrote, and where the test set grew
between the two, the images that *both* tables hold decide: none of them was in either model's training. Labels are those of
the challenger's table, for it is the younger one; classes are matched by name, so a list that grew is no obstacle.

Letters: N images that both judged, K classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.config import EvaluateConfig
from ssgan.errors import DataError
from ssgan.evaluation.calibration import reliability
from ssgan.evaluation.comparison import compare, score_interval, wilson
from ssgan.evaluation.judge import round_floats
from ssgan.evaluation.scores import Floats
from ssgan.wording import counted

Strings = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]
COLUMNS = ("id", "path", "label", "main_pred", "main_prob", "main_nll")
CONFIDENT = 0.9  # probability from which on a prediction that both models share makes a label suspect


@dataclass(frozen=True)
class Predictions:
    """Predictions of one model on its test images, (N,) each: names of classes, calibrated probability of the answer, and
    negative log-likelihood of the label in nats."""

    ids: Strings
    paths: Strings
    labels: Strings
    predicted: Strings
    probability: Floats
    nll: Floats
    classes: list[str]

    @classmethod
    def of(cls, table: pa.Table, classes: list[str], where: str) -> Predictions:
        """From ``predictions.parquet``. Raises DataError where columns are missing or an image stands there twice."""
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise DataError(f"{where} has no column {missing[0]}; run `dvc repro evaluate` with this version of ssgan")
        ids, paths = (np.array(table[name].to_pylist(), dtype=object) for name in ("id", "path"))
        if len(set(ids)) != len(ids):
            raise DataError(
                f"{where} holds {counted(len(ids) - len(set(ids)), 'image')} twice; run `dvc repro --force evaluate`"
            )
        names = np.array(classes, dtype=object)
        labels, predicted = (names[table[name].to_numpy()] for name in ("label", "main_pred"))
        return cls(ids, paths, labels, predicted, table["main_prob"].to_numpy(), table["main_nll"].to_numpy(), classes)

    def take(self, rows: npt.NDArray[np.int64]) -> Predictions:
        """The predictions of some rows, in that order."""
        return replace(
            self,
            ids=self.ids[rows],
            paths=self.paths[rows],
            labels=self.labels[rows],
            predicted=self.predicted[rows],
            probability=self.probability[rows],
            nll=self.nll[rows],
        )


@dataclass(frozen=True)
class Pairs:
    """The N images that both models judged, sorted by id; ``labels`` are today's."""

    champion: Predictions
    challenger: Predictions
    only_champion: int  # images that only the champion was judged on
    only_challenger: int

    @property
    def labels(self) -> Strings:
        return self.challenger.labels

    @property
    def champion_right(self) -> Mask:
        return np.asarray(self.champion.predicted == self.labels, dtype=bool)

    @property
    def challenger_right(self) -> Mask:
        return np.asarray(self.challenger.predicted == self.labels, dtype=bool)

    @property
    def relabeled(self) -> Mask:
        """Images whose label is another one than when the champion was judged."""
        return np.asarray(self.champion.labels != self.labels, dtype=bool)

    @property
    def worse(self) -> npt.NDArray[np.int64]:
        """Rows that the champion has right and the challenger wrong, the challenger's most confident mistakes first."""
        return self._most_confident(self.champion_right & ~self.challenger_right, self.challenger)

    @property
    def better(self) -> npt.NDArray[np.int64]:
        """Rows that the champion has wrong and the challenger right, the champion's most confident mistakes first."""
        return self._most_confident(~self.champion_right & self.challenger_right, self.champion)

    @property
    def suspects(self) -> npt.NDArray[np.int64]:
        """Rows on which both models confidently predict the same class, which is not the label: perhaps the label is wrong."""
        sure = np.minimum(self.champion.probability, self.challenger.probability)
        agree = np.asarray(self.champion.predicted == self.challenger.predicted, dtype=bool)
        rows = np.flatnonzero(agree & ~self.challenger_right & (sure >= CONFIDENT))
        return rows[np.argsort(-sure[rows], kind="stable")]

    def _most_confident(self, which: Mask, wrong: Predictions) -> npt.NDArray[np.int64]:
        rows = np.flatnonzero(which)
        return rows[np.argsort(-wrong.probability[rows], kind="stable")]


def pair(champion: Predictions, challenger: Predictions) -> Pairs:
    """The images that both judged. Raises DataError where there is none."""
    _, first, second = np.intersect1d(champion.ids.astype(str), challenger.ids.astype(str), return_indices=True)
    if not len(first):
        raise DataError(
            f"the champion was evaluated on {counted(len(champion.ids), 'test image')} and the challenger on "
            f"{len(challenger.ids)}, none "
            "of them the same; evaluate the champion's training on today's test set, or promote with --force and a reason"
        )
    left, right = len(champion.ids) - len(first), len(challenger.ids) - len(second)
    return Pairs(champion.take(first), challenger.take(second), left, right)


def compare_pairs(pairs: Pairs, config: EvaluateConfig) -> dict[str, Any]:
    """All metrics of the comparison: fractions, rounded; gains are the challenger's, differences challenger minus champion."""
    gain = asdict(compare(pairs.challenger_right, pairs.champion_right, config.confidence))
    gain["error_rate"] = gain.pop("value")
    gain["only_challenger_right"], gain["only_champion_right"] = gain.pop("only_main_right"), gain.pop("only_twin_right")
    known, today = pairs.champion.classes, pairs.challenger.classes
    value = {
        "images": {
            "shared": len(pairs.labels),
            "only_champion": pairs.only_champion,
            "only_challenger": pairs.only_challenger,
            "relabeled": int(pairs.relabeled.sum()),
        },
        "relabeled": _relabeled(pairs),
        "classes": {"lost": sorted(set(known) - set(today)), "new": [name for name in today if name not in known]},
        "champion": _one(pairs, pairs.champion, pairs.champion_right, config),
        "challenger": _one(pairs, pairs.challenger, pairs.challenger_right, config),
        "gain": gain,
        "per_class": [row for name in today if (row := _class(pairs, name, config))],
        "suspects": len(pairs.suspects),
    }
    rounded: dict[str, Any] = round_floats(value)
    return rounded


def _relabeled(pairs: Pairs) -> list[dict[str, str]]:
    rows = np.flatnonzero(pairs.relabeled)
    old, new = pairs.champion, pairs.challenger
    return [{"id": new.ids[i], "path": new.paths[i], "was": old.labels[i], "is": new.labels[i]} for i in rows]


def _one(pairs: Pairs, answers: Predictions, right: Mask, config: EvaluateConfig) -> dict[str, Any]:
    """Error and calibration of one of them. The likelihood of a label is known for images that kept theirs."""
    wrong, kept = int((~right).sum()), ~pairs.relabeled
    low, high = wilson(wrong, len(right), config.confidence)
    return {
        "error_rate": wrong / len(right),
        "error_rate_low": low,
        "error_rate_high": high,
        "errors": wrong,
        "ece": reliability(answers.probability, right, config.ece_bins).ece,
        "nll": float(answers.nll[kept].mean()) if kept.any() else math.nan,
    }


def _class(pairs: Pairs, name: str, config: EvaluateConfig) -> dict[str, Any] | None:
    """Recall of both on the images of one class, and the interval of the difference; None where it has no images."""
    of_it = np.asarray(pairs.labels == name, dtype=bool)
    if not of_it.any():
        return None
    before, after = pairs.champion_right[of_it], pairs.challenger_right[of_it]
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    low, high = score_interval(won, lost, len(before), config.confidence)
    return {
        "class": name,
        "images": len(before),
        "champion": float(before.mean()),
        "challenger": float(after.mean()),
        "difference": (won - lost) / len(before),
        "low": low,
        "high": high,
        "lost": lost,  # images that only the champion has right
        "won": won,
    }
