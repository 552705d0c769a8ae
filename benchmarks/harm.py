"""Does semi-supervised learning do harm where unlabeled images are not what it assumes? Every method against the probe.

As ``benchmarks.features_table``, on features, with pools as teams have them. A cell of the table is a pool and a number of
labels per class (on average, where labels are drawn at random):

    balanced          as the images are
    skew 5, skew 20   of a class (of half of them, where there are more than two), another one in every draw, a fifth or a
                      twentieth of the unlabeled images; labels are drawn evenly
    random 5, 20      the same pools, but labels are drawn from the pool as it is, and test images count as often as the pool
                      has their class
    foreign           as many images of another project (--foreign) as there are unlabeled ones
    wrong             a fifth of the labels are wrong

Options were fixed before, on draws from 100 on. Everything goes to a JSON file, the table (Markdown) to the terminal: mean test
error of the probe, then of each method the points fewer than the probe, paired over draws, with half of the 95 % interval.
Bold: a method whose interval lies below 0. With --val, rows called "safest" choose between a method and the probe.

    python -m benchmarks.harm PROJECT --foreign OTHER --labels 2 5 20 --draws 10 --out harm.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks import features_table
from benchmarks.features_table import ROWS, Data, Row, answers, load
from benchmarks.paired import half_width

Ints = npt.NDArray[np.int64]
CELLS = ("balanced", "skew 5", "skew 20", "random 5", "random 20", "foreign", "wrong")
WRONG = 0.2  # of the labels
PROBE = ROWS[0].title


class Setting(NamedTuple):
    """A draw: rows of the labeled images, their classes, rows of the pool and of the foreign images in it, weights of the test
    images."""

    labeled: Ints
    classes: Ints
    pool: Ints
    foreign: Ints
    weights: npt.NDArray[np.float64]


def setting(train_y: Ints, test_y: Ints, cell: str, per_class: int, draw: int, foreign: int = 0) -> Setting:
    """A cell, drawn. ``foreign``: how many foreign images there are to choose from."""
    random, classes = np.random.default_rng(draw), int(train_y.max()) + 1
    kind, _, number = cell.partition(" ")
    rows = skewed(train_y, int(number), draw, random) if number else np.arange(len(train_y))
    labeled = labels(train_y, rows, per_class, kind == "random", random)
    named, others = train_y[labeled].copy(), rows[:0]
    if kind == "wrong":
        named = spoiled(named, classes, random)
    if kind == "foreign":
        assert foreign, "the cell needs foreign images"
        others = random.choice(foreign, len(rows), replace=foreign < len(rows))
    weights = np.ones(len(test_y))
    if kind == "random":
        weights = (np.bincount(train_y[rows], minlength=classes) / np.bincount(test_y))[test_y]
    return Setting(labeled, named, rows, others, weights)


def skewed(y: Ints, ratio: int, draw: int, random: np.random.Generator) -> Ints:
    """Rows of a pool with one image in ``ratio`` of one class of two, or of half of the classes."""
    classes = int(y.max()) + 1
    rare = {(draw + number) % classes for number in range(max(1, classes // 2))}
    kept = []
    for k in range(classes):
        of_class = random.permutation(np.flatnonzero(y == k))
        kept.append(of_class[: round(len(of_class) / (ratio if k in rare else 1))])
    return np.sort(np.concatenate(kept))


def labels(y: Ints, rows: Ints, per_class: int, at_random: bool, random: np.random.Generator) -> Ints:
    """Rows of the labeled images: as many of each class, or any, but every class once."""
    of = [rows[y[rows] == k] for k in range(int(y.max()) + 1)]
    if not at_random:
        return np.concatenate([random.choice(one, per_class, replace=False) for one in of])
    first = np.array([random.choice(one) for one in of])
    others = random.choice(np.setdiff1d(rows, first), (per_class - 1) * len(of), replace=False)
    return np.concatenate([first, others])


def spoiled(classes: Ints, number: int, random: np.random.Generator) -> Ints:
    """A fifth of the labels is another class."""
    wrong = random.choice(len(classes), round(WRONG * len(classes)), replace=False)
    classes[wrong] = (classes[wrong] + random.integers(1, number, len(wrong))) % number
    return classes


def wrong(row: Row, data: Data, given: Setting, foreign: Tensor | None, seed: int) -> npt.NDArray[np.bool_]:
    """Which test images a method gets wrong."""
    pool = data.train[given.pool] if foreign is None else torch.cat([data.train[given.pool], foreign[given.foreign]])
    found: npt.NDArray[np.bool_] = answers(row, data, given.labeled, given.classes, pool, seed) != data.test_y
    return found


def errors(
    rows: Sequence[Row], data: Data, given: Setting, foreign: Tensor | None, draw: int, val: Sequence[int]
) -> dict[str, float]:
    """Test error by title. ``val``: so many of the test images choose between a method and the probe instead, as
    ``evaluate.serve: safest`` does."""
    random, chance = np.random.default_rng([draw, 1]), given.weights / given.weights.sum()
    picked = random.choice(len(data.test_y), max(val, default=0), False, chance)
    kept = np.delete(np.arange(len(data.test_y)), picked)
    found = {row.title: wrong(row, data, given, foreign, draw) for row in rows}
    of = {title: float(np.average(one[kept], weights=given.weights[kept])) for title, one in found.items()}
    for title in (title for title in found if title != PROBE):
        for number in val:
            better = found[title][picked[:number]].sum() < found[PROBE][picked[:number]].sum()
            of[f"{title}, safest by {number}"] = of[title if better else PROBE]
    return of


def cell_text(errors: Sequence[float], probe: Sequence[float]) -> str:
    """Points fewer than the probe; a method that is behind stands out."""
    gain = 100 * (np.array(probe) - np.array(errors))
    half = half_width(gain)
    text = f"{round(gain.mean(), 1) + 0.0:+.1f} ± {half:.1f}"  # no minus sign in front of zero
    return f"**{text}**" if gain.mean() + half < 0 else text


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: a line for each method, a column for each cell."""
    cells = list(found)
    probe = " | ".join(f"{100 * np.mean(found[cell][PROBE]):.1f}" for cell in cells)
    lines = ["| | " + " | ".join(cells) + " |", "|---" * (len(cells) + 1) + "|", f"| test error of the probe, % | {probe} |"]
    for title in next(iter(found.values())):
        if title != PROBE:
            texts = (cell_text(found[cell][title], found[cell][PROBE]) for cell in cells)
            lines.append(f"| {title} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--foreign", type=Path, help="project whose images do not belong to the first one's classes")
    parser.add_argument("--without", nargs="*", default=[], help="class folders of the foreign project to leave out")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--labels", nargs="+", type=int, default=[5, 20], help="per class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--val", nargs="*", type=int, default=[], help="test images that choose between method and probe")
    parser.add_argument("--rows", nargs="+", help="parts of titles; all where not given")
    parser.add_argument("--out", type=Path, default=Path("harm.json"))
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.rows or any(part in row.title for part in (*arguments.rows, PROBE))]
    data = load(arguments.project)
    foreign = features_table.foreign(arguments.foreign, arguments.project, arguments.without) if arguments.foreign else None
    found: dict[str, dict[str, list[float]]] = {}
    for cell in arguments.cells:
        for per_class in arguments.labels:
            column = found.setdefault(f"{cell}, {per_class}", {})
            for draw in range(arguments.first, arguments.first + arguments.draws):
                strangers = 0 if foreign is None else len(foreign)
                given = setting(data.train_y, data.test_y, cell, per_class, draw, strangers)
                for title, error in errors(rows, data, given, foreign, draw, arguments.val).items():
                    column.setdefault(title, []).append(error)
            arguments.out.write_text(json.dumps(found, indent=1))
            print(f"{cell}, {per_class} labels per class", flush=True)
    print(f"\n{len(data.train):,} images, {len(data.test):,} test, {data.classes} classes\n\n{table(found)}")


if __name__ == "__main__":
    main()
