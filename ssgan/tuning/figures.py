"""The figures of a search, in the colors of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ssgan.config.tune import Draw
from ssgan.report.figures import WIDTH, Palette, short
from ssgan.report.figures import Draw as Drawing
from ssgan.tuning.space import Point, Space, ends
from ssgan.tuning.trials import Checkpoint, Trial, ranked
from ssgan.wording import counted

TICKS = 5  # on an axis of numbers, about
CLOSE = 0.08  # of an axis: a tick nearer to an end is left out
MARGIN = 0.04  # of an axis, above and below its ends


def position(draw: Draw, value: Any) -> float:
    """Where a value lies on its axis, from 0 to 1: in the order of choices, by the logarithm, or evenly."""
    values = ends(draw)
    if draw.choice is not None:
        return values.index(value) / (len(values) - 1)
    low, high = values
    if draw.loguniform is not None:
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))


def ticks(draw: Draw) -> list[Any]:
    """Values to name on the axis: all choices, or some from end to end."""
    values = ends(draw)
    if draw.choice is not None:
        return values
    low, high = values
    if draw.loguniform is not None:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        inner = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 3)]
    else:
        inner = list(MaxNLocator(TICKS, integer=draw.randint is not None).tick_values(low, high))
    inside = [value for value in inner if low < value < high]
    return [low, *(value for value in inside if CLOSE < position(draw, value) < 1 - CLOSE), high]


def parallel(space: Space, trials: Sequence[Trial], checkpoint: Checkpoint) -> Drawing:
    """One vertical axis per key and one for the score; a line is a trial."""
    shown = [trial for trial in ranked(trials, checkpoint) if trial.score(checkpoint) is not None]
    scores = [100 * (trial.score(checkpoint) or 0.0) for trial in shown]
    low, high = (min(scores), max(scores)) if scores else (0.0, 100.0)
    high = high if high > low else low + 1.0

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(max(WIDTH, 1.5 * (len(space) + 1)), 3.8), layout="constrained")
        axes = figure.subplots()
        for place in range(len(space) + 1):
            axes.axvline(place, color=p.muted, linewidth=0.8)
        for place, one in enumerate(space.values()):
            _name_ticks(axes, place, [(position(one, value), _text(value)) for value in ticks(one)], p)
        _name_ticks(axes, len(space), [(i / 4, f"{low + (high - low) * i / 4:.1f}") for i in range(5)], p)
        seen: set[str] = set()
        for trial, score in reversed(list(zip(shown, scores, strict=True))):
            kind = "best" if trial is shown[0] and trial.state == "finished" else trial.state
            label, color, line, width, alpha = _style(kind, p)
            y = [*_positions(space, trial.point), (score - low) / (high - low)]
            axes.plot(y, line, color=color, linewidth=width, alpha=alpha, label="" if kind in seen else label)
            seen.add(kind)
        axes.set_xticks(range(len(space) + 1), [*(_title(key) for key in space), "error on\nval, %"])
        axes.tick_params(axis="both", length=0, labelcolor=p.ink)
        axes.set(yticks=[], ylim=(-MARGIN, 1 + MARGIN), xlim=(-0.15, len(space) + 0.45))
        axes.spines[:].set_visible(False)
        if seen:
            figure.legend(loc="outside lower center", ncols=len(seen))
        return figure

    return draw


def _positions(space: Space, point: Point) -> list[float]:
    return [position(draw, point[key]) for key, draw in space.items()]


def _style(kind: str, p: Palette) -> tuple[str, str, str, float, float]:
    """Label, color, line, width and opacity."""
    return {
        "best": ("best", p.main, "-", 2.4, 1.0),
        "finished": ("finished", p.twin, "-", 1.0, 0.6),
    }.get(kind, ("stopped early, with its last error", p.muted, ":", 1.0, 0.8))


def _name_ticks(axes: Axes, place: int, marks: list[tuple[float, str]], p: Palette) -> None:
    for y, text in marks:
        axes.plot([place, place + 0.03], [y, y], color=p.muted, linewidth=0.8)
        halo = withStroke(linewidth=2.5, foreground=p.paper)  # lines that cross the text do not make it unreadable
        axes.text(place + 0.05, y, text, va="center", fontsize=7.5, color=p.ink, path_effects=[halo], zorder=5)


def _title(key: str) -> str:
    """The last word of a key, in lines that fit beside their neighbors."""
    name = short(key.split(".")[-1], 24)
    return name if len(name) <= 10 else name.replace("_", "\n", 2)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else short(str(value), 12)


def importance(shares: dict[str, float], finished: int) -> Drawing:
    """How much of the variance of the score each key explains, as bars; a note where there are too few trials."""

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(WIDTH, max(1.6, 0.42 * len(shares) + 0.9)), layout="constrained")
        axes = figure.subplots()
        axes.spines["left"].set_visible(False)
        if not shares:
            axes.set_axis_off()
            axes.text(0.5, 0.5, _nothing(finished), ha="center", va="center", color=p.muted)
            return figure
        names = list(shares)
        for place, name in enumerate(names):
            axes.barh(place, 100 * shares[name], height=0.55, color=p.main)
            axes.text(100 * shares[name] + 1.5, place, f"{shares[name]:.0%}", va="center", color=p.ink)
        axes.set_yticks(range(len(names)), [name.removeprefix("method.options.") for name in names])
        axes.tick_params(axis="y", length=0, labelcolor=p.ink)
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 112), xticks=range(0, 101, 25))
        axes.set_xlabel(f"share of the variance of the score, % ({counted(finished, 'finished trial')})")
        axes.grid(axis="x")
        return figure

    return draw


def _nothing(finished: int) -> str:
    return f"{counted(finished, 'finished trial')} with different scores\nare too few to say which key matters"
