"""All runs of a project as one page, ``reports/runs/index.html``: a table, and the error over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from ssgan.report import figures, story
from ssgan.report.figures import WIDTH, Draw, Palette
from ssgan.report.page import environment
from ssgan.wording import counted

VERDICTS = {
    "gain": "helped",
    "none": "no measurable difference",
    "harm": "worse",
    "too_few": "too few test images",
    "": "not measured",
}


@dataclass(frozen=True)
class RunRow:
    """One evaluated run. Rates and gain are fractions; ``when`` is ISO 8601.

    name: of the experiment, or the commit, or ``workspace``. gain: over the supervised baseline, with its interval; None where
    none was trained. verdict: of the gain, "" without one. seconds: of the training, None where nobody noted it here.
    """

    name: str
    when: str
    run_id: str
    method: str
    labels: int
    test: int
    error: tuple[float, float, float]  # rate, and its interval
    baseline: float | None
    gain: tuple[float, float, float] | None
    verdict: str
    steps: int | None
    seconds: float | None

    def cells(self) -> list[str]:
        """As texts, in the order of COLUMNS."""
        rate, low, high = map(story.percent, self.error)
        gain = "{} ({} to {})".format(*map(story.points, self.gain)) if self.gain else "–"
        steps = [counted(self.steps, "step")] if self.steps is not None else []
        took = [story.duration(self.seconds)] if self.seconds is not None else []
        return [
            self.name,
            self.when[:10],
            self.method.replace("_", " "),
            story.number(self.labels),
            f"{rate} ({low} to {high})",
            gain,
            VERDICTS[self.verdict],
            ", ".join(steps + took) or "–",
        ]


COLUMNS = ("Run", "Date", "Method", "Labels", "Test error", "Gain, points", "Unlabeled images", "Cost")
LOCATE = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]


def render(rows: Sequence[RunRow], confidence: float, out: Path) -> None:
    """Write ``index.html`` and ``errors.png`` into ``out``; ``rows``: oldest first, at least one."""
    out.mkdir(parents=True, exist_ok=True)
    draw = over_time(rows)
    figures.png(draw, out / "errors.png", title=f"Error of each run, {rows[0].when[:10]} to {rows[-1].when[:10]}")
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    context: dict[str, Any] = {
        "style": Markup(style),  # a file of this package
        "columns": COLUMNS,
        "rows": [row.cells() for row in reversed(rows)],
        "best": min(rows, key=lambda row: row.error[0]),
        "newest": rows[-1],
        "confidence": confidence,
        "figure": figures.svg(draw, "runs"),
        "tests": len({row.test for row in rows}),
    }
    (out / "index.html").write_text(environment().get_template("runs.html").render(context), encoding="utf-8")


def over_time(rows: Sequence[RunRow]) -> Draw:
    """Test error with its interval over the dates of the runs, that of the baseline, and below them the labels."""
    when = [datetime.fromisoformat(row.when).astimezone(UTC) for row in rows]

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(1.6 * WIDTH, 3.6), layout="constrained")
        errors, labels = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        rate, low, high = ([100 * row.error[i] for row in rows] for i in range(3))
        spread = [[r - a for r, a in zip(rate, low, strict=True)], [b - r for r, b in zip(rate, high, strict=True)]]
        errors.errorbar(when, rate, spread, color=p.main, marker="o", markersize=4, linewidth=1.6, capsize=3, label="model")
        twin = [(x, 100 * row.baseline) for x, row in zip(when, rows, strict=True) if row.baseline is not None]
        if twin:
            errors.plot(*zip(*twin, strict=True), "s--", color=p.twin, markersize=3.5, linewidth=1.2, label="labels alone")
        errors.set_ylim(bottom=0)
        errors.set_ylabel("test error, %")
        errors.grid(axis="y")
        labels.step(when, [row.labels for row in rows], where="post", color=p.muted, marker="o", markersize=3)
        labels.set_ylim(bottom=0)
        labels.set_ylabel("labels")
        labels.xaxis.set_major_locator(LOCATE)
        labels.xaxis.set_major_formatter(ConciseDateFormatter(LOCATE))  # type: ignore[no-untyped-call]
        labels.grid(axis="y")
        figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure

    return draw
