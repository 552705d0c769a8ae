"""The figures of a search: what stands where."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from ssgan.config.tune import Draw
from ssgan.report.figures import PRINT, png
from ssgan.tuning import figures
from ssgan.tuning.trials import Trial
from tests.support.trials import RATE, trial

SPACE = {RATE: Draw(loguniform=[1e-4, 1e-2]), "net.family": Draw(choice=["mlp", "compact", "improved_gan"])}


def at(rate: float, family: str) -> dict[str, Any]:
    return {RATE: rate, "net.family": family}


TRIALS = [
    trial(1, 0.3, **at(1e-3, "compact")),
    trial(2, 0.1, **at(1e-2, "mlp")),
    trial(3, 0.5, state="stopped", **at(1e-4, "improved_gan")),
    trial(4, 0.9, state="failed", **at(5e-3, "mlp")),
]


def test_a_line_per_trial_that_has_a_score_from_its_point_to_its_error() -> None:
    (axes,) = figures.parallel(SPACE, TRIALS, "last")(PRINT).axes
    heights = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
    lines = {color: height for color, height in heights.items() if len(height) == len(SPACE) + 1}
    assert lines[PRINT.main] == pytest.approx([1.0, 0.0, 0.0]), "the best one"
    assert lines[PRINT.twin] == pytest.approx([0.5, 0.5, 0.5])
    assert lines[PRINT.muted] == pytest.approx([0.0, 1.0, 1.0]), "stopped"
    assert len(lines) == 3


@pytest.mark.parametrize(
    "draw",
    [
        Draw(loguniform=[3e-4, 1e-2]),
        Draw(loguniform=[0.4, 0.5]),
        Draw(uniform=[0.13, 0.97]),
        Draw(randint=[1, 3]),
        Draw(choice=[1, "a", 2.5]),
    ],
)
def test_ticks_go_from_end_to_end_and_do_not_crowd(draw: Draw) -> None:
    places = [figures.position(draw, value) for value in figures.ticks(draw)]
    assert (places[0], places[-1]) == (0.0, 1.0)
    assert all(b - a > 0.05 for a, b in pairwise(places))


@pytest.mark.parametrize("shares", [{}, {RATE: 0.75, "net.family": 0.25}])
def test_importance_shows_bars_or_says_why_there_are_none(shares: dict[str, float]) -> None:
    figure = figures.importance(shares, 5)(PRINT)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [100 * share for share in shares.values()]
    assert any("too few" in text.get_text() for text in axes.texts) == (not shares)


@pytest.mark.parametrize("trials", [TRIALS, TRIALS[2:], []])
def test_figures_are_drawn_whatever_there_is(trials: list[Trial]) -> None:
    buffer = io.BytesIO()
    png(figures.parallel(SPACE, trials, "last"), buffer)
    assert Image.open(buffer).size[0] > 500
