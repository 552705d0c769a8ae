#!/usr/bin/env bash
# In crowd-kit two annotators who disagree always yield the class in the first row of the table, for all images.
#
# Version: crowd-kit 1.4.2.
# Source: get_most_probable_labels in crowdkit/aggregation/utils.py takes idxmax over columns, whose order is that in
#   which classes first occur in the table. The docstring of MajorityVote says that equal ties get the same label in
#   all tasks, not which.
# Behavior: six images, annotator a says dog, b says cat. If the first row of the table is a dog, all six are dogs,
#   with MajorityVote and with DawidSkene; with the same votes in another order all six are cats. Even an unrelated
#   image in the first row decides the ties of all others.
# Why it matters: two votes per image are a common budget, and disagreements are the hard images. All of them go to
#   one class, which depends on how the export was sorted, so that class shares of the training set shift without a
#   trace.
#
# Seen:
#   MajorityVote: dogs first {'dog': 6}, cats first {'cat': 6}
#   DawidSkene: dogs first {'dog': 6}, cats first {'cat': 6}
#   MajorityVote: dogs first, behind one other image that is a cat: {'cat': 6}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'crowd-kit==1.4.2' 'pandas==3.1.1' 'numpy==2.4.6' 'scikit-learn==1.9.1'
cd "$folder"
env/bin/python - <<'PYTHON'
import pandas as pd
from crowdkit.aggregation import DawidSkene, MajorityVote

COLUMNS = ["task", "worker", "label"]
dogs = [(f"image {number}", "a", "dog") for number in range(6)]
cats = [(f"image {number}", "b", "cat") for number in range(6)]


def labels(model: object, votes: list[tuple[str, str, str]]) -> dict[str, int]:
    """Images of each class among the six on which the annotators disagree."""
    found = model.fit_predict(pd.DataFrame(votes, columns=COLUMNS))
    return found.drop("another", errors="ignore").value_counts().to_dict()


for name, make in (("MajorityVote", MajorityVote), ("DawidSkene", lambda: DawidSkene(n_iter=50))):
    print(f"{name}: dogs first {labels(make(), dogs + cats)}, cats first {labels(make(), cats + dogs)}")
    assert labels(make(), dogs + cats) == {"dog": 6}
    assert labels(make(), cats + dogs) == {"cat": 6}
another = labels(MajorityVote(), [("another", "a", "cat"), *dogs, *cats])
print(f"MajorityVote: dogs first, behind one other image that is a cat: {another}")
assert another == {"cat": 6}
PYTHON
