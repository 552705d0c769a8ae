"""The figures: drawn with a palette, so that one function makes the PNG and the SVG inside the page.

The SVG uses CSS variables for colors (it follows light and dark) and real text (the page's font, searchable). Colors are
those of Okabe & Ito 2008, which people with any color vision can tell apart; lines also differ in style and marker.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ssgan.report.images import as_array
from ssgan.report.inputs import U8, Facts, Mistakes
from ssgan.report.story import labels_only, percent

WIDTH = 4.6  # inches of 72 points: 9-point text stays readable on a phone
FIRST_WIDTH = 3.3  # inches, on the first screen: a third of the page
DPI = 200


@dataclass(frozen=True)
class Palette:
    """Colors by role."""

    ink: str
    muted: str
    line: str
    main: str
    twin: str
    paper: str


PRINT = Palette("#1b1f24", "#5b6570", "#d5dae0", "#0072b2", "#d55e00", "#ffffff")
# Stand-ins that occur nowhere else; ``svg`` puts variables of the style sheet in their place.
STAND_INS = Palette("#010a01", "#010a02", "#010a03", "#010a04", "#010a05", "#010a06")

Draw = Callable[[Palette], Figure]


@contextmanager
def _style(palette: Palette, salt: str) -> Iterator[None]:
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,  # the same page for the same facts
        "text.parse_math": False,  # class names may hold a dollar sign
        "font.size": 9,
        "text.color": palette.ink,
        "axes.edgecolor": palette.muted,
        "axes.labelcolor": palette.muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": palette.line,
        "grid.linewidth": 0.8,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "legend.frameon": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the PNG font lacks
        yield


def png(draw: Draw, to: Path | io.BytesIO, dpi: int = DPI, title: str = "") -> None:
    """Draw in print colors on white; the title is for those who take the picture away from its page."""
    with _style(PRINT, ""):
        figure = draw(PRINT)
        if title:
            figure.suptitle(title, fontsize=9, x=0.02, ha="left")
        figure.savefig(to, format="png", dpi=dpi, facecolor=PRINT.paper, metadata={"Software": None})


def svg(draw: Draw, name: str) -> Markup:
    """Draw for the page. Safe to inline: matplotlib escapes text, and the text is all that comes from outside."""
    buffer = io.StringIO()
    with _style(STAND_INS, name):
        draw(STAND_INS).savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)  # figure_1 and the like: an id must not occur twice on a page
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img" aria-hidden="true">', text, count=1)
    for role, color in vars(STAND_INS).items():
        text = text.replace(color, f"var(--{role})")
    return Markup(text)


def short(name: str, length: int = 16) -> str:
    """A class name that fits beside an axis: one line, cut in the middle (names often differ at their ends only)."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    head, tail = (length - 1) // 2, length // 2
    return line if len(line) <= length else f"{line[:head]}\N{HORIZONTAL ELLIPSIS}{line[-tail:]}"


def errors(facts: Facts) -> Draw:
    """Error rates with intervals as bars: the picture of the first screen."""
    n = facts.metrics
    bars = [("main", "labels\nalone" if labels_only(facts) else "with\nunlabeled", n["main"])]
    if n["twin"]:
        bars.append(("twin", "labels\nalone", n["twin"]))
    return error_bars(bars)


def error_bars(bars: list[tuple[str, str, dict[str, Any]]]) -> Draw:
    """Error rates with intervals as bars, from (role of the palette, label, metrics)."""

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(FIRST_WIDTH, 0.62 * len(bars) + 0.62), layout="constrained")
        axes = figure.subplots()
        right = max(100 * value["error_rate_high"] for _, _, value in bars) or 1.0
        for i, (role, _, value) in enumerate(bars):
            rate, low, high = (100 * value[key] for key in ("error_rate", "error_rate_low", "error_rate_high"))
            axes.barh(i, rate, height=0.52, color=getattr(p, role))
            axes.plot([low, high], [i, i], color=p.ink, linewidth=1.6, marker="|", markersize=9, markeredgewidth=1.6)
            axes.text(high + right * 0.03, i, percent(value["error_rate"]), va="center", fontsize=12, fontweight="bold")
        axes.set_yticks(range(len(bars)), [label for _, label, _ in bars])
        axes.tick_params(axis="y", length=0, labelcolor=p.ink)
        axes.set_xlim(0, right * 1.36)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlabel("wrong answers on unseen images, %")
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        return figure

    return draw


def curves(series: dict[str, list[tuple[int, float]]], main: str = "with unlabeled images") -> Draw:
    """Error on the validation images over the steps; ``series`` has main and perhaps twin, as (step, error rate) pairs."""
    styles = {"main": (main, "-", "o"), "twin": ("labels alone", "--", "s")}

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
        axes = figure.subplots()
        for role, pairs in series.items():
            if pairs:
                label, line, marker = styles[role]
                steps, rates = zip(*pairs, strict=True)
                few = marker if len(pairs) <= 30 else ""
                y = 100 * np.array(rates)
                axes.plot(steps, y, line, color=getattr(p, role), label=label, marker=few, markersize=3.5, linewidth=1.8)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("training step")
        axes.set_ylabel("wrong validation images, %")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=2)
        return figure

    return draw


def calibration(series: dict[str, list[dict[str, float]]], fitted: bool) -> Draw:
    """Share of right answers against the probability that was claimed; on the diagonal, both are equal."""
    styles = {"before": ("as trained", "--", "s", "muted"), "after": ("after temperature", "-", "o", "main")}
    if not fitted:
        styles = {"before": ("as trained", "-", "o", "main")}

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=p.muted, linewidth=1, linestyle=":", label="ideal")
        for name, (label, line, marker, role) in styles.items():
            bins = series[name]
            x, y = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
            total = sum(b["images"] for b in bins) or 1
            area = [10 + 190 * b["images"] / total for b in bins]
            axes.plot(x, y, line, color=getattr(p, role), linewidth=1, alpha=0.6)
            axes.scatter(x, y, s=area, color=getattr(p, role), marker=marker, alpha=0.85, linewidths=0, label=label)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), aspect="equal", xlabel="probability claimed", ylabel="share that was right")
        axes.grid()
        figure.legend(loc="outside lower center", ncols=3, handletextpad=0.3, columnspacing=1.2, markerscale=0.6)
        return figure

    return draw


def risk_coverage(series: dict[str, list[dict[str, float]]], promise: dict[str, Any] | None) -> Draw:
    """Error among the answered images if only the most confident share of them is answered; the guarantee, and how it holds."""
    styles = {"val": ("validation", "--", "muted"), "test": ("test", "-", "main")}

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, (label, line, role) in styles.items():
            x, y = ([100 * row[key] for row in series[name]] for key in ("coverage", "error_rate"))
            axes.plot(x, y, line, color=getattr(p, role), label=label, linewidth=1.8, drawstyle="steps-post")
        if promise:
            axes.axhline(100 * promise["max_risk"], color=p.muted, linewidth=1, linestyle=":", label="accepted")
        if promise and promise.get("answered"):
            x, y, low, high = (100 * promise[key] for key in ("coverage", "error_rate", "error_rate_low", "error_rate_high"))
            axes.errorbar([x], [y], [[y - low], [high - y]], color=p.ink, marker="o", capsize=4, label="threshold, on test")
        axes.set(xlim=(0, 101), xlabel="images that are answered, %", ylabel="wrong among them, %")
        axes.set_ylim(bottom=0)
        axes.grid()
        figure.legend(loc="outside lower center", ncols=4, handletextpad=0.3, columnspacing=1.2)
        return figure

    return draw


def mistakes(shown: Mistakes, columns: int = 6) -> Draw:
    """Contact sheet of mistakes with captions, for the PNG; the page has its own, with text that can be selected."""
    count = len(shown.images)
    rows = -(-count // columns)

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(1.35 * columns, 1.85 * rows), layout="constrained")
        for i, image in enumerate(shown.images):
            axes = figure.add_subplot(rows, columns, i + 1)
            original = shown.originals[i]
            _show(axes, image if original is None else as_array(original))
            answer = f"says {short(shown.predicted[i], 12)} ({percent(shown.probability[i], 0)})"
            axes.set_title(answer, fontsize=8, color=p.twin, fontweight="bold")
            axes.set_xlabel(f"is {short(shown.actual[i], 18)}", fontsize=8, color=p.ink)
        return figure

    return draw


def _show(axes: Any, image: U8) -> None:
    if image.shape[0] == 1:
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
