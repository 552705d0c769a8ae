"""Does the audit find labels that are wrong? A tenth of the labels of the embedded digits is made wrong on purpose, in the
labeled set and in val, and three ways to judge labels rank all of them.

"Model" is the trained model itself, which has learned the labels of the labeled set, wrong ones too; "features" is what
``ssgan audit`` does, a linear probe on the model's features in five folds; "pixels" is the same on raw pixels. The area under
the ROC curve says how well the wrong labels are ranked before the right ones (0.5: chance). For "features" also: how many of
the suspects are wrong labels, and how many of the wrong labels are suspects.

    python -m benchmarks.label_audit
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from benchmarks.alone import train
from benchmarks.unknown_class import SPEC
from ssgan.config import Config, parse
from ssgan.selection.audit import out_of_sample
from ssgan.selection.diversity import groups
from ssgan.selection.noise import confident_learning
from ssgan.selection.scoring import probabilities, unit
from tests.support.data import write_data

VAL, WRONG = 180, 0.1
WAYS = ("model", "features", "pixels")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--width", type=float, default=0.25, help="factor on the hidden units")
    arguments = parser.parse_args()
    heads = [f"{way}, {name}" for name in ("labeled", "val") for way in WAYS]
    print(f"| labels | {' | '.join(heads)} | suspects that are wrong | wrong labels that are suspects |")
    print("|---" * (3 + len(heads)) + "|")
    for labels in arguments.labels:
        rows = np.array([case(labels, seed, arguments) for seed in range(arguments.seeds)])
        mean, sd = rows.mean(axis=0), rows.std(axis=0, ddof=min(1, len(rows) - 1))
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean[:-2], sd[:-2], strict=True)]
        print(f"| {labels} | {' | '.join(cells)} | {mean[-2]:.0%} | {mean[-1]:.0%} |", flush=True)


def case(count: int, seed: int, arguments: argparse.Namespace) -> list[float]:
    """Area under the ROC curve of each way on labeled and on val, then precision and recall of the suspects."""
    data, random = load_digits(), np.random.default_rng(seed)
    order = random.permutation(len(data.images))
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)[order][:, None]
    truth = data.target[order].astype(np.int64)
    noisy = truth.copy()
    wrong = random.permutation(count + VAL)[: round(WRONG * (count + VAL))]
    noisy[wrong] = (noisy[wrong] + random.integers(1, 10, len(wrong))) % 10
    used, is_labeled = slice(0, count + VAL), np.arange(count + VAL) < count
    with tempfile.TemporaryDirectory(prefix="ssgan-audit-") as folder:
        labeled, val, rest = slice(0, count), slice(count, count + VAL), slice(count + VAL, None)
        sets = {
            "labeled": (images[labeled], noisy[labeled]),
            "val": (images[val], noisy[val]),
            "unlabeled": (images[rest], None),
        }
        files = write_data(Path(folder), sets, SPEC, [str(k) for k in range(10)])
        model = train(config(seed, arguments), files, threads=1).model
    outputs = model.outputs(images[used])
    group = groups(images[used], 4, 6.0)
    pixels = unit(images[used].reshape(count + VAL, -1).astype(np.float64))
    given, is_wrong = noisy[used], noisy[used] != truth[used]
    judged = [probabilities(outputs.logits, 1.0)]
    judged += [out_of_sample(features, given, group, 10)[0] for features in (unit(outputs.features), pixels)]
    found = [confident_learning(p, given) for p in judged]
    areas = [roc_auc_score(is_wrong[part], -one.margin[part]) for part in (is_labeled, ~is_labeled) for one in found]
    suspects = found[1].suspects(given)
    hits = int(is_wrong[suspects].sum())
    return [*map(float, areas), hits / max(1, len(suspects)), hits / int(is_wrong.sum())]


def config(seed: int, arguments: argparse.Namespace) -> Config:
    base: dict[str, Any] = {
        "method": {"name": "feature_matching", "options": {"lr_tail": 0.5}},
        "net": {"width": arguments.width},
        "train": {"steps": arguments.steps, "val_every": arguments.steps, "checkpoint_every": arguments.steps, "seed": seed},
    }
    return parse(Config, base, "benchmark")


if __name__ == "__main__":
    main()
