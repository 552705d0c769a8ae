"""What typical images and sheets of clusters are worth to somebody who begins without a label, against images drawn at random.

The project is a folder in which ``ssgan ingest`` and ``ssgan features`` have run, on images whose class folders are all there;
these are what the simulated person knows. Images are chosen as ``ssgan next`` chooses them without a model.

Sheets: the person gives a sheet the name of most of its images. Of those that do not belong a share (SLIPS) is overlooked, and
of those that belong the same share is taken out; what is taken out gets a single label. Single labels are all right, which
favors them. Minutes follow from the seconds of each action, which are assumptions (``Seconds``).

    python -m benchmarks.cold_start /path/to/project --singles 6 10 20 40 --clusters 10 20 40 --draws 10
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.features_table import Data, Row, error, load
from benchmarks.paired import half_width
from ssgan.selection.clusters import cluster
from ssgan.selection.cold import Pool, most_typical

AUTO = Row("auto", "auto", {})
SLIPS = 0.05

Ints = npt.NDArray[np.int64]
Found = dict[str, list[dict[str, dict[str, float]]]]  # by setting, then draw, then way


class Seconds(NamedTuple):
    """Of a person: to name a sheet, to look at one of its images, to take one out, and to give a single label."""

    name: float = 3.0
    look: float = 0.5
    out: float = 1.0
    single: float = 2.0


class Labels(NamedTuple):
    """Rows of the images, the labels that they got, and what that took."""

    rows: Ints
    given: Ints
    seconds: float


def typical(data: Data, clusters: int, images: int, seed: int) -> dict[int, Ints]:
    """Rows of the images that are asked for, by cluster."""
    x = data.train[:, 0].numpy()
    number = cluster(x, clusters, seed)
    pool = Pool([str(row) for row in range(len(x))], np.arange(len(x)), [], set())
    found: dict[int, list[int]] = {}
    for pick in most_typical(pool, x, number, np.zeros(len(x), bool), images):
        found.setdefault(pick.cluster or 0, []).append(int(pick.sha256))
    return {one: np.array(rows) for one, rows in found.items()}


def by_sheets(data: Data, clusters: int, images: int, seed: int, took: Seconds) -> Labels:
    """Labels of a person who names sheets."""
    random, seconds = np.random.default_rng([seed, clusters]), 0.0
    given: dict[int, int] = {}
    for rows in typical(data, clusters, images, seed).values():
        truth = data.train_y[rows]
        name = np.bincount(truth).argmax()
        out = (truth != name) ^ (random.random(len(rows)) < SLIPS)
        given |= dict(zip(rows.tolist(), np.where(out, truth, name).tolist(), strict=True))
        seconds += took.name + took.look * len(rows) + (took.out + took.single) * float(out.sum())
    return Labels(np.array(list(given)), np.array(list(given.values())), seconds)


def singles(data: Data, rows: Ints, took: Seconds) -> Labels:
    """Labels of a person who looks at one image after the other."""
    return Labels(rows, data.train_y[rows], took.single * len(rows))


def at_random(data: Data, count: int, seed: int) -> Ints:
    """Rows of images drawn at random."""
    return np.random.default_rng([seed, 1]).permutation(len(data.train_y))[:count]


def accuracy(data: Data, labels: Labels, seed: int) -> float:
    """Of ``auto`` on the test set, in %; where the labels are of one class, of that answer."""
    if len(set(labels.given.tolist())) == 1:
        return float(100 * (data.test_y == labels.given[0]).mean())
    y = data.train_y.copy()
    y[labels.rows] = labels.given
    return 100 - 100 * error(AUTO, data._replace(train_y=y), labels.rows, data.train, seed)


def one_by_one(data: Data, count: int, seed: int, took: Seconds) -> dict[str, dict[str, float]]:
    """The same number of single labels, of typical images and of random ones."""
    rows = np.concatenate(list(typical(data, count, count, seed).values()))
    ways = {"typical": rows, "random": at_random(data, count, seed)}
    return {name: _row(data, singles(data, one, took), seed) for name, one in ways.items()}


def draw(data: Data, clusters: int, images: int, seed: int, took: Seconds) -> dict[str, dict[str, float]]:
    """All ways of labeling, with what each brought, in one draw."""
    sheets = by_sheets(data, clusters, images, seed, took)
    worth = max(2, round(sheets.seconds / took.single))  # single labels in the same time
    one_each = np.concatenate(list(typical(data, worth, worth, seed).values()))
    ways = {
        "sheets": sheets,
        "single, random, as many": singles(data, at_random(data, len(sheets.rows), seed), took),
        "single, random, same minutes": singles(data, at_random(data, worth, seed), took),
        "single, typical, same minutes": singles(data, one_each, took),
    }
    return {name: _row(data, labels, seed) for name, labels in ways.items()}


def _row(data: Data, labels: Labels, seed: int) -> dict[str, float]:
    wrong = int((labels.given != data.train_y[labels.rows]).sum())
    return {
        "labels": len(labels.rows),
        "wrong": wrong,
        "minutes": labels.seconds / 60,
        "accuracy": accuracy(data, labels, seed),
    }


def table(found: Found) -> str:
    """A line for each way: means; in brackets the accuracy minus that of the first way, paired, with half of its interval."""
    lines = ["| setting | way | labels | wrong | minutes | accuracy of `auto`, % |", "|---|---|---|---|---|---|"]
    for setting, draws in found.items():
        first, *_ = draws[0]
        for way in draws[0]:
            columns = {key: np.array([one[way][key] for one in draws]) for key in draws[0][way]}
            gain = columns["accuracy"] - np.array([one[first]["accuracy"] for one in draws])
            against = "" if way == first else f" ({gain.mean():+.2f} ± {half_width(gain):.2f})"
            labels, wrong, minutes, right = (columns[key].mean() for key in columns)
            spread = f"{right:.2f} ± {columns['accuracy'].std(ddof=1):.2f}{against}"
            lines.append(f"| {setting} | {way} | {labels:.0f} | {wrong:.1f} | {minutes:.1f} | {spread} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--singles", nargs="+", type=int, default=[6, 10, 20, 40], help="numbers of single labels")
    parser.add_argument("--clusters", nargs="+", type=int, default=[10, 20, 40], help="numbers of sheets")
    parser.add_argument("--images", nargs="+", type=int, default=[160], help="on all sheets together")
    parser.add_argument("--draws", type=int, default=10)
    for name, default in Seconds()._asdict().items():
        parser.add_argument(f"--{name}-s", type=float, default=default, metavar="SECONDS")
    parser.add_argument("--out", type=Path, default=Path("cold_start.json"))
    arguments = parser.parse_args()
    took = Seconds(arguments.name_s, arguments.look_s, arguments.out_s, arguments.single_s)
    found: Found = {}
    data, draws = load(arguments.project), range(arguments.draws)
    for count in arguments.singles:
        found[f"{count} single labels"] = [one_by_one(data, count, seed, took) for seed in draws]
    for images, clusters in product(arguments.images, arguments.clusters):
        setting = f"{clusters} sheets of {images // clusters}"
        found[setting] = [draw(data, clusters, images, seed, took) for seed in draws]
    arguments.out.write_text(json.dumps({"seconds": took._asdict(), "draws": found}, indent=1))
    print(table(found), flush=True)


if __name__ == "__main__":
    main()
