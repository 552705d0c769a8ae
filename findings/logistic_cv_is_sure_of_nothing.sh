#!/usr/bin/env bash
# scikit-learn's LogisticRegressionCV takes the strongest penalty if all are equally accurate, as with few labels they
#   are.
#
# Version: scikit-learn 1.9.1.
# Source: sklearn/linear_model/_logistic.py takes the argmax of the summed scores, Cs go from 1e-4 up, and argmax
#   takes the first of equals. The docstring speaks of the best score and not of several. A warning says that log loss
#   will be the default score from 1.11 on.
# Behavior: 2 classes, 10 labels each, features that separate them: every C is right on every fold, so C is 1e-4. The
#   model is right on all of 2,000 new images, and 51 % sure of each. With log loss as score C is 1,292 and it is
#   sure.
# Why it matters: a probe on features of a pretrained backbone is that case. Its classes are right and its
#   probabilities are flat: each threshold for pseudo-labels or for abstention rejects everything, and uncertainty
#   ranks by noise.
#
# Seen:
#   accuracy: C 0.0001, accuracy 1.000, mean confidence 0.509
#   neg_log_loss: C 1291.55, accuracy 1.000, mean confidence 1.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegressionCV

rng = np.random.default_rng(0)


def features(count: int) -> tuple[np.ndarray, np.ndarray]:
    """128 features of which the first separates two classes by 12 standard deviations."""
    classes = np.arange(count) % 2
    values = rng.normal(size=(count, 128))
    values[:, 0] += 12 * classes - 6
    return values, classes


labeled, classes = features(20)
images, truth = features(2000)
seen = {}
for score in ("accuracy", "neg_log_loss"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments that will be renamed
        model = LogisticRegressionCV(Cs=10, cv=5, scoring=score, max_iter=1000).fit(labeled, classes)
    surety = float(model.predict_proba(images).max(1).mean())
    seen[score] = (float(np.ravel(model.C_)[0]), float((model.predict(images) == truth).mean()), surety)
    print(f"{score}: C {seen[score][0]:g}, accuracy {seen[score][1]:.3f}, mean confidence {surety:.3f}")
    if score == "accuracy":
        assert all((scores == 1).all() for scores in model.scores_.values()), "all C are equally good"
assert seen["accuracy"][0] == 1e-4
assert seen["accuracy"][1] == 1
assert seen["accuracy"][2] < 0.55
assert seen["neg_log_loss"][0] > 1
assert seen["neg_log_loss"][2] > 0.95
PYTHON
