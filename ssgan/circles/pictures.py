"""The circles as a figure and as an animation: one panel for each method, in the colors of the report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ssgan.circles.points import Circles
from ssgan.circles.runs import Snapshot, Variant
from ssgan.report import figures
from ssgan.report.figures import Draw, Palette
from ssgan.report.story import percent

PANEL = 2.6  # inches
FRAME_MS, LAST_MS = 150, 3000  # how long a frame of the animation stays


def panels(variants: Sequence[Variant], snapshots: Sequence[Snapshot], data: Circles) -> Draw:
    """One snapshot of every method, side by side."""

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(PANEL * len(variants), PANEL + 0.95), layout="constrained")
        for axes, variant, snapshot in zip(figure.subplots(1, len(variants)), variants, snapshots, strict=True):
            axes.set_title(f"{variant.title}\n{percent(snapshot.error_rate)} wrong", fontsize=9, color=p.ink)
            _panel(axes, snapshot, data, p)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=8, handletextpad=0.2)
        return figure

    return draw


def _panel(axes: Axes, snapshot: Snapshot, data: Circles, p: Palette) -> None:
    side = (0.0, 1.0)
    axes.contourf(
        snapshot.inner_probability, levels=[0.0, 0.5, 1.0], extent=(*side, *side), colors=[p.main, p.twin], alpha=0.18
    )
    if float(snapshot.inner_probability.min()) < 0.5 < float(snapshot.inner_probability.max()):
        axes.contour(snapshot.inner_probability, levels=[0.5], extent=(*side, *side), colors=[p.ink], linewidths=1.0)
    axes.scatter(*_xy(data.x), s=3, color=p.muted, alpha=0.5, linewidths=0, label="unlabeled")
    for y, (color, marker, name) in enumerate([(p.main, "o", "labeled, outer"), (p.twin, "s", "labeled, inner")]):
        axes.scatter(*_xy(data.x_l[data.y_l == y]), s=42, color=color, marker=marker, edgecolors=p.ink, zorder=3, label=name)
    if snapshot.fake is not None:
        axes.scatter(*_xy(snapshot.fake), s=9, color=p.ink, marker="x", linewidths=0.6, label="generated")
    axes.set(xlim=side, ylim=side, aspect="equal", xticks=[], yticks=[])


def _xy(points: Tensor) -> tuple[list[float], list[float]]:
    """(N, 2, ...) points as their two coordinates."""
    x, y = points.flatten(1).T.tolist()
    return x, y


def animation(draws: Sequence[Draw], path: Path) -> None:
    """A GIF that repeats; its last frame stays for three seconds."""
    frames = []
    for draw in draws:
        buffer = io.BytesIO()
        figures.png(draw, buffer, dpi=100)
        frames.append(Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE))
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
