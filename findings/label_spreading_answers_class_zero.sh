#!/usr/bin/env bash
# scikit-learn's LabelSpreading calls every unlabeled image class 0 when features have the length of a backbone's.
#
# Version: scikit-learn 1.9.1.
# Source: sklearn/semi_supervised/_label_propagation.py: gamma is 20 whatever the number of features, rows of zeros
#   are divided by 1 in fit and by 0 in predict. Issues 11114 (closed as a question) and 34351 (open, on such rows) of
#   scikit-learn/scikit-learn. The docstring gives the default of gamma and no hint at its scale.
# Behavior: 400 standardized vectors, 10 labels of each of two classes 12 standard deviations apart. With 2 features
#   all are right. With 64 or 512 each exp(-20 d^2) between two images is 0: the distribution of each unlabeled one is
#   (0, 0), its class the first. fit() warns of nothing. predict_proba() of new images is NaN with NumPy's warning;
#   predict() answers class 0. gamma = 1 / number of features is right again.
# Why it matters: it is the semi-supervised classifier next to every probe of features. Chance accuracy on balanced
#   classes reads as "unlabeled images do not help here", and on rare defects as a very good model.
#
# Seen:
#     2 features, gamma 20: accuracy 1.00, called class 0 0.50
#    64 features, gamma 20: accuracy 0.50, called class 0 1.00
#   512 features, gamma 20: accuracy 0.50, called class 0 1.00
#   512 features, gamma 1/512: accuracy 1.00, called class 0 0.50
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
from sklearn.semi_supervised import LabelSpreading

rng = np.random.default_rng(0)


def accuracy(dimension: int, **options: float) -> tuple[float, float]:
    """Accuracy on the 380 unlabeled of 400 images, and the share that is called class 0."""
    truth = np.arange(400) % 2
    values = rng.normal(size=(400, dimension))
    values += (12 * truth - 6)[:, None] / np.sqrt(dimension)
    values = (values - values.mean(0)) / values.std(0)
    known = np.where(np.arange(400) < 20, truth, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # so fit warns of nothing
        model = LabelSpreading(**options).fit(values, known)
    if dimension == 512 and not options:
        assert (model.label_distributions_[20:] == 0).all()
        with np.errstate(invalid="ignore"):
            assert np.isnan(model.predict_proba(values[20:] + 0.1)).all()
            assert (model.predict(values[20:] + 0.1) == 0).all()
    found = model.transduction_[20:]
    return float((found == truth[20:]).mean()), float((found == 0).mean())


seen = {dimension: accuracy(dimension) for dimension in (2, 64, 512)}
for dimension, (right, zeros) in seen.items():
    print(f"{dimension:3} features, gamma 20: accuracy {right:.2f}, called class 0 {zeros:.2f}")
scaled = accuracy(512, gamma=1 / 512)
print(f"512 features, gamma 1/512: accuracy {scaled[0]:.2f}, called class 0 {scaled[1]:.2f}")
assert seen == {2: (1.0, 0.5), 64: (0.5, 1.0), 512: (0.5, 1.0)}
assert scaled[0] > 0.99
PYTHON
