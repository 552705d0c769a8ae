"""The confusion matrix as a figure that stays readable up to about 40 classes. Letter: K classes."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ssgan.evaluation.scores import Ints
from ssgan.report.figures import WIDTH, Draw, Palette, short

LARGEST = 60  # classes; beyond, a list of the most frequent confusions says more
NUMBERS_UP_TO = 20  # classes: smaller cells have no room for a number


def figure_width(k: int) -> float:
    """Inches that K classes need."""
    return max(WIDTH, 1.1 + 0.215 * k)


def matrix(counts: Ints, classes: list[str]) -> Draw:
    """(K, K) counts, row = actual. Color shows the share of the row: blue is right, orange is wrong."""
    k = len(classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = figure_width(k)
    font = 9 if k <= 12 else 7

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        cells = [(int(r), int(c)) for r, c in np.argwhere(counts)]
        colors = [to_rgba(p.main if r == c else p.twin, 0.12 + 0.88 * float(share[r, c])) for r, c in cells]
        boxes = [Rectangle((c - 0.47, r - 0.47), 0.94, 0.94) for r, c in cells]
        axes.add_collection(PatchCollection(boxes, facecolors=colors, edgecolors="none"))
        if k <= NUMBERS_UP_TO:
            for r, c in cells:
                color = p.paper if share[r, c] > 0.57 else p.ink
                axes.text(c, r, str(counts[r, c]), ha="center", va="center", fontsize=font - 1, color=color)
        names = [short(name) for name in classes]
        axes.set_xticks(range(k), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=font)
        axes.set_yticks(range(k), names, fontsize=font)
        axes.tick_params(length=0, labelcolor=p.ink)
        axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="model says", ylabel="image shows")
        for edge in ("left", "bottom"):
            axes.spines[edge].set_visible(False)
        axes.set_xticks(np.arange(-0.5, k), minor=True)
        axes.set_yticks(np.arange(-0.5, k), minor=True)
        axes.tick_params(which="minor", length=0)
        axes.grid(which="minor", linewidth=0.4)
        return figure

    return draw


def most_frequent(counts: Ints, classes: list[str], limit: int = 6) -> list[tuple[str, str, int, float]]:
    """(actual, predicted, images, share of the actual class) of the most frequent confusions, ties in class order."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    rows = [(int(i) // len(classes), int(i) % len(classes)) for i in order]
    images = counts.sum(axis=1)
    return [(classes[r], classes[c], int(wrong[r, c]), float(wrong[r, c] / images[r])) for r, c in rows if wrong[r, c]]
