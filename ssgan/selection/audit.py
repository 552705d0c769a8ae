"""Out-of-sample probabilities for all labels that training may see: those of the labeled and the val set. Test stays closed.

A linear classifier on the model's features is fitted to four fifths of the labels and judges the rest, five times over. Near-
duplicates stay together, or one would vouch for the other's label.

The labeled images have shaped these features with the labels they have, wrong ones too; val images have not. So the audit is
softer on the labeled set than on val. A training for every fifth would not be, at five times its price.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from ssgan.data.files import SplitFiles
from ssgan.errors import DataError
from ssgan.evaluation.comparison import wilson
from ssgan.selection.diversity import groups
from ssgan.selection.noise import Noise, confident_learning
from ssgan.selection.pool import U8, PredictOutputs
from ssgan.selection.scoring import F32, I64, Floats, unit
from ssgan.wording import counted

FOLDS = 5
CONFIDENCE = 0.95  # that the features tell the classes apart at all
SETS = ("labeled", "val")
INVERSE_PENALTY = 10.0  # C of the logistic regression, on features of length 1


class Labeled(NamedTuple):
    """N labeled images of the sets that the audit looks at, sorted by id."""

    ids: list[str]
    paths: list[str]
    sets: list[str]
    pixels: U8
    label: I64
    features: F32


class Suspect(NamedTuple):
    """One label that looks wrong. given, suggested: with their probabilities. row: of ``Labeled``."""

    sha256: str
    path: str
    set: str
    given: str
    probability_given: float
    suggested: str
    probability_suggested: float
    row: int


class Audit(NamedTuple):
    """The suspects, the worst first. judged: images of each set; unjudged: those of a class with too few images to judge it."""

    suspects: list[Suspect]
    judged: dict[str, int]
    unjudged: int
    share: float | None


def read(files: SplitFiles, predict: PredictOutputs, paths_of: Callable[[Sequence[str]], Mapping[str, str]]) -> Labeled:
    """All labeled images of labeled and val, and their features. Each is small: labels are what a team has few of.

    Args:
        paths_of: from ids to the paths of these images within their source.
    """
    some = [name for name in SETS if files.num_rows(name)]
    ids = [image for name in some for image in files.ids(name)]
    sets = [name for name in some for _ in range(files.num_rows(name))]
    pixels = [files.store.pixels(files.rows(name)) for name in some]
    features = [unit(predict(files.ids(name), images).features) for name, images in zip(some, pixels, strict=True)]
    label = np.concatenate([files.labels(name) for name in some])
    order, paths = np.argsort(ids), paths_of(ids)
    return Labeled(
        [ids[i] for i in order],
        [paths[ids[i]] for i in order],
        [sets[i] for i in order],
        np.concatenate(pixels)[order],
        label[order],
        np.concatenate(features)[order],
    )


def audit(labeled: Labeled, classes: Sequence[str], group: I64) -> Audit:
    """Rank the labels that look wrong.

    Args:
        group: (N,) near-duplicates share a number.

    Raises:
        DataError: fewer than two classes, too few images to judge any, or features that cannot tell the classes apart.
    """
    probability, judged = out_of_sample(labeled.features, labeled.label, group, len(classes))
    rows = np.flatnonzero(judged)
    if not len(rows):
        raise DataError("no class has two images with a label, so nothing can be checked; label more images first")
    _require_better_than_guessing(probability[rows], labeled.label[rows])
    noise = confident_learning(probability[rows], labeled.label[rows])
    found = [_suspect(labeled, classes, probability, noise, rows, i) for i in noise.suspects(labeled.label[rows]).tolist()]
    counts = {name: sum(labeled.sets[row] == name for row in rows) for name in SETS}
    return Audit(found, counts, int((~judged).sum()), noise.share)


def _require_better_than_guessing(probability: Floats, label: I64) -> None:
    """Raise DataError where who names the most frequent class does as well: then every label looks wrong to somebody."""
    wrong, guessed = int((probability.argmax(1) != label).sum()), 1 - float(np.bincount(label).max() / len(label))
    if wilson(wrong, len(label), CONFIDENCE)[1] >= guessed:
        raise DataError(
            f"the model cannot tell the classes apart (cross-validated error {wrong / len(label):.1%} on "
            f"{counted(len(label), 'label')}, "
            f"{guessed:.1%} for whoever names the most frequent class), so nothing can be said of the labels; train longer, "
            "label more, or learn on features (docs/features.md)"
        )


def _suspect(labeled: Labeled, classes: Sequence[str], p: Floats, noise: Noise, rows: I64, i: int) -> Suspect:
    row, suggested = int(rows[i]), int(noise.suggested[i])
    given = int(labeled.label[row])
    where = (labeled.ids[row], labeled.paths[row], labeled.sets[row])
    return Suspect(*where, classes[given], float(p[row, given]), classes[suggested], float(p[row, suggested]), row)


def out_of_sample(features: F32, label: I64, group: I64, classes: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(N, K) probabilities by a probe that never saw the image, and (N,) whether its class was among what the probe learned."""
    probability, judged = np.zeros((len(label), classes)), np.zeros(len(label), np.bool_)
    folds = min(FOLDS, len(np.unique(group)))
    if len(np.unique(label)) < 2 or folds < 2:
        raise DataError("the labels name fewer than two classes, so none can be mistaken for another; label more images first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer images than folds: see ``judged``
        parts = list(StratifiedGroupKFold(folds).split(features, label, group))
    for learn, judge in parts:
        known = np.unique(label[learn])
        if len(known) < 2:
            continue
        probe = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000).fit(features[learn], label[learn])
        probability[np.ix_(judge, known)] = probe.predict_proba(features[judge])
        judged[judge] = np.isin(label[judge], known)
    return probability, judged


def near_duplicates(labeled: Labeled, bits: int, rmse: float) -> I64:
    """(N,) the group of near-duplicates of each image."""
    return groups(labeled.pixels, bits, rmse)
