"""Foreign images in the pool: is their share estimated, and which score finds them?

On features, as ``benchmarks.harm``: the pool is the project's training images and, in the cells with a share, images of another
project. First what the report's estimate says (``ssgan/evaluation/foreign.py``) with test images drawn at random; then the area
under the ROC curve with which scores rank foreign images before the others, for networks that were trained on that very pool.

    python -m benchmarks.foreign PROJECT --foreign OTHER --without cat dog --labels 5 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.features_table import ALONE, GAN, STEPS, Data, Row, drawn, foreign, load, trained
from ssgan.evaluation.foreign import LOOKED_AT, foreign_share, nearest

SHARES = (0.0, 0.1, 0.2, 0.5)
TESTS = (60, 200, 1000)
NETWORKS = (
    Row("network (labels alone)", "supervised", ALONE, STEPS),
    Row("feature matching GAN", "feature_matching", GAN, STEPS),
    Row("bad GAN", "bad_gan", {**GAN, "density_start": 100}, STEPS),
)


def mixed(data: Data, strangers: Tensor, share: float, random: np.random.Generator) -> tuple[Tensor, np.ndarray]:
    """(U, V, P) a pool with such a share of foreign images, in random order, and (U,) which of them are foreign."""
    number = round(len(data.train) * share / (1 - share))
    pool = torch.cat([data.train, strangers[random.choice(len(strangers), number, replace=number > len(strangers))]])
    order = random.permutation(len(pool))
    return pool[order], (order >= len(data.train))


def estimates(data: Data, strangers: Tensor, per_class: int, draws: range) -> list[str]:
    """Lines of the first table: by share and test images, what is estimated, how often the bound is above 0, or too high."""
    lines = []
    for share in SHARES:
        cells = []
        for tests in TESTS:
            found = []
            for draw in draws:
                random = np.random.default_rng(draw)
                pool, _ = mixed(data, strangers, share, random)
                test = data.test[random.choice(len(data.test), min(tests, len(data.test)), replace=False)]
                labeled = data.train[drawn(data.train_y, per_class, draw)]
                known, held_out, unlabeled = (x[:LOOKED_AT, 0].numpy() for x in (labeled, test, pool))
                found.append(foreign_share(known, held_out, unlabeled, 0.95))
            each = [100 * one.share for one in found]
            above = sum(one.at_least > 0 for one in found)
            wrong = sum(one.at_least > share for one in found)
            cells.append(f"{np.mean(each):.0f} ({min(each):.0f} to {max(each):.0f}); named {above}, too high {wrong}")
        lines.append(f"| {100 * share:.0f} % | {' | '.join(cells)} |")
    return lines


def areas(data: Data, strangers: Tensor, per_class: int, draws: range) -> dict[str, list[float]]:
    """Area under the ROC curve of each score, half of the pool foreign, a number for each draw."""
    from sklearn.metrics import roc_auc_score

    found: dict[str, list[float]] = {}
    for draw in draws:
        pool, is_foreign = mixed(data, strangers, 0.5, np.random.default_rng(draw))
        labels = drawn(data.train_y, per_class, draw)
        scores = {"distance to the nearest label": nearest(pool[:, 0].numpy(), data.train[labels][:, 0].numpy())}
        for row in NETWORKS:
            method = trained(row, data, labels, data.train_y[labels], pool, draw)
            with torch.no_grad():
                logits = method.predict(pool[:, 0])
            scores[f"{row.title}: minus the level of real (energy)"] = -logits.logsumexp(1).numpy()
            scores[f"{row.title}: minus the largest probability"] = -logits.softmax(1).amax(1).numpy()
        for name, score in scores.items():
            found.setdefault(name, []).append(float(roc_auc_score(is_foreign, score)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument(
        "--foreign", type=Path, required=True, help="project whose images do not belong to the first one's classes"
    )
    parser.add_argument("--without", nargs="*", default=[], help="class folders of the foreign project to leave out")
    parser.add_argument("--labels", nargs="+", type=int, default=[5, 20], help="per class")
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data, draws = load(arguments.project), range(arguments.draws)
    strangers = foreign(arguments.foreign, arguments.project, arguments.without)
    for per_class in arguments.labels:
        head = " | ".join(f"{n} test images" for n in TESTS)
        print(f"\n| {per_class} labels per class; foreign | {head} |\n{'|---' * (len(TESTS) + 1)}|")
        print("\n".join(estimates(data, strangers, per_class, draws)), flush=True)
        print(f"\n| {per_class} labels per class, half foreign | area under the ROC curve |\n|---|---|")
        for name, values in areas(data, strangers, per_class, draws).items():
            print(f"| {name} | {np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} |", flush=True)


if __name__ == "__main__":
    main()
