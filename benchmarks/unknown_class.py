"""Which score finds images of a class that the model was never told of?

One of the ten classes of the embedded digits loses its labels; the others keep four each. Every image of the unlabeled pool is
scored, and the area under the ROC curve says how well a score ranks the images of the hidden class before all others (0.5:
chance, 1: all of them first). Once the pool that a model learns from contains the hidden class, as the pool of a team does, and
once it does not. Each class is hidden once, with label draws and training of its own.

    python -m benchmarks.unknown_class
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from benchmarks.alone import train
from ssgan.config import Config, ImageSpec, parse
from ssgan.evaluation.calibration import fit_temperature
from ssgan.selection.scoring import distance, entropy, probabilities, unit
from tests.support.data import write_data

SPEC = ImageSpec(1, 8, "fit")
LABELS_PER_CLASS, VAL = 4, 180
# method, whether the pool that it learns from holds the hidden class; the twin looks at no pool
CASES = (("feature_matching", True), ("feature_matching", False), ("explicit_fake", True), ("supervised", True))
SCORES = ("1 - largest probability", "entropy", "minus the level of real", "distance from labeled features")

Images = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--width", type=float, default=0.25, help="factor on the hidden units")
    parser.add_argument("--hidden", type=int, nargs="+", default=list(range(10)), help="classes to hide, one after the other")
    arguments = parser.parse_args()
    print(f"| method | pool holds the hidden class | error on known classes | {' | '.join(SCORES)} |")
    print("|---" * (3 + len(SCORES)) + "|")
    for method, inside in CASES:
        rows = np.array([case(method, inside, hidden, arguments) for hidden in arguments.hidden])
        cells = [f"{100 * rows[:, 0].mean():.1f} %", *(f"{m:.3f} ± {s:.3f}" for m, s in zip(*spread(rows[:, 1:]), strict=True))]
        known = "no matter" if method == "supervised" else "yes" if inside else "no"
        print(f"| {method} | {known} | {' | '.join(cells)} |", flush=True)


def spread(values: npt.NDArray[Any]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation over the hidden classes."""
    return values.mean(axis=0).tolist(), values.std(axis=0, ddof=min(1, len(values) - 1)).tolist()


def case(method: str, inside: bool, hidden: int, arguments: argparse.Namespace) -> list[float]:
    """Error rate on the pool's known classes, and the area under the ROC curve of each score."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)[:, None]
    order = np.random.default_rng(hidden).permutation(len(images))
    images, labels = images[order], np.where(data.target == hidden, 9, data.target - (data.target > hidden))[order]
    known = np.flatnonzero(labels < 9)
    val, rest = known[:VAL], known[VAL:]
    labeled = np.concatenate([rest[labels[rest] == k][:LABELS_PER_CLASS] for k in range(9)])
    pool = np.concatenate([np.setdiff1d(rest, labeled), np.flatnonzero(labels == 9)])
    with tempfile.TemporaryDirectory(prefix="ssgan-unknown-") as folder:
        seen = pool if inside else pool[labels[pool] < 9]
        sets = {
            "labeled": (images[labeled], labels[labeled]),
            "unlabeled": (images[seen], None),
            "val": (images[val], labels[val]),
        }
        files = write_data(Path(folder), sets, SPEC, [str(k) for k in range(9)])
        model = train(config(method, hidden, arguments), files, threads=1).model
    outputs, told = model.outputs(images[pool]), model.outputs(images[labeled])
    temperature = fit_temperature(model.predict_logits(images[val]), labels[val]).value
    p = probabilities(outputs.logits, temperature)
    scores = [1 - p.max(axis=1), entropy(p), -outputs.real, distance(unit(outputs.features), unit(told.features))]
    is_known = labels[pool] < 9
    error = float((p.argmax(axis=1) != labels[pool])[is_known].mean())
    return [error, *(float(roc_auc_score(~is_known, score)) for score in scores)]


def config(method: str, seed: int, arguments: argparse.Namespace) -> Config:
    base = {
        "method": {"name": method, "options": {"lr_tail": 0.5}},
        "net": {"width": arguments.width},
        "train": {"steps": arguments.steps, "val_every": arguments.steps, "checkpoint_every": arguments.steps, "seed": seed},
    }
    return parse(Config, base, "benchmark")


if __name__ == "__main__":
    main()
