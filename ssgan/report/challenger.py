"""The page of a comparison, ``reports/compare/index.html``: may the challenger replace the champion, and what would change?

It opens no test set: the pixels of flipped images are those of the mistakes that ``evaluate`` kept of each model.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from markupsafe import Markup
from matplotlib.figure import Figure

from ssgan.data import schema
from ssgan.evaluation.challenger import Pairs
from ssgan.evaluation.comparison import p_text, too_few
from ssgan.report import figures, images, story
from ssgan.report.figures import WIDTH, Draw, Palette, short
from ssgan.report.inputs import U8, originals_of
from ssgan.report.page import environment
from ssgan.wording import counted


class Kept(NamedTuple):
    """What was kept of an image: its stored pixels (C, S, S), and its original as JPEG where that shows more."""

    pixels: U8
    original: bytes | None


KeptById = dict[str, Kept]
CLASSES_DRAWN = 30  # those that fell most, where there are more
FLIPPED = ("id", "path", "label", "champion", "champion_probability", "challenger", "challenger_probability", "change")


def kept_images(mistakes: Path) -> KeptById:
    """The mistakes in ``mistakes.parquet``, by id."""
    table = pq.read_table(mistakes)
    spec = schema.spec_of(schema.read_metadata(table.schema.metadata, str(mistakes)))
    kept = map(Kept, schema.pixels_to_numpy(table["pixels"], spec), originals_of(table))
    return dict(zip(table["id"].to_pylist(), kept, strict=True))


def render(verdict: dict[str, Any], pairs: Pairs | None, kept: KeptById, out: Path, shown: int) -> None:
    """Write ``index.html`` and, where there is a champion, ``flipped.csv`` into ``out``: the same facts give the same bytes.

    ``verdict`` is what ``ssgan compare`` decided, ``kept`` the mistakes of both models, ``shown`` the most images of each
    kind on the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    if pairs:
        _write_flipped(pairs, out / "flipped.csv")
    else:
        (out / "flipped.csv").unlink(missing_ok=True)  # of an earlier comparison
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    context = {
        "style": Markup(style),  # a file of this package
        "v": verdict,
        "c": verdict["comparison"],
        "story": tell(verdict),
        "figures": {name: figures.svg(draw, name) for name, draw in _figures(verdict).items()},
        "sheets": _sheets(pairs, kept, shown) if pairs else [],
        "cost": cost(verdict),
    }
    (out / "index.html").write_text(environment().get_template("versus.html").render(context), encoding="utf-8")


def tell(verdict: dict[str, Any]) -> story.Story:
    """The first screen: may it pass, is it better, by how much, and what that rests on."""
    passed, c = verdict["decision"] == "promote", verdict["comparison"]
    badge = "Gate passed" if passed else "A person decides"
    side = "gain" if passed else "none"
    if c is None:
        one = verdict["challenger"]
        error = story.percent(one["error"]["error_rate"])
        lead = (
            f"It gets {error} of {counted(one['test_images'], 'unseen image')} wrong. No model is named "
            f"{verdict['named']} yet, so only the rules that need no comparison were applied."
        )
        return story.Story(side, badge, "The first model: there is nothing to compare it with.", lead, "")
    gain, images_ = c["gain"], c["images"]
    wrong = [story.percent(c[role]["error_rate"]) for role in ("challenger", "champion")]
    lead = f"Of {counted(images_['shared'], 'test image')}, the challenger gets {wrong[0]} wrong and the champion {wrong[1]}."
    flips = (
        f"{counted(gain['only_challenger_right'], 'image is', 'images are')} right only with the challenger, "
        f"{story.number(gain['only_champion_right'])} only with the champion ({p_text(gain['mcnemar_p'])})."
    )
    if gain["verdict"] == "too_few":
        flips += f" {too_few(gain, images_['shared'])}."
    if gain["verdict"] == "harm":
        side = "harm"
    return story.Story(side, badge, _headline(c), lead, f"{flips} {scope(c)}")


def _headline(c: dict[str, Any]) -> str:
    gain, before, after = c["gain"], c["champion"]["errors"], c["challenger"]["errors"]
    if gain["verdict"] == "too_few":
        return "Too few test images to tell the two apart."
    if gain["verdict"] == "none":
        return "No measurable difference between the two."
    if gain["verdict"] == "gain":
        removed = "all errors" if after == 0 else f"{max(1, round(100 * (before - after) / before))} of every 100 errors"
        return f"The challenger removes {removed} of the champion."
    return f"The challenger is worse: {counted(after, 'error')} instead of {story.number(before)}."


def scope(c: dict[str, Any]) -> str:
    """Which images decided, in a sentence."""
    images_ = c["images"]
    if images_["only_champion"] or images_["only_challenger"]:
        text = (
            "The test set changed between the two, so only the images on which both were evaluated count; "
            f"{story.number(images_['only_challenger'])} are known to the challenger only, "
            f"{story.number(images_['only_champion'])} to the champion only."
        )
    else:
        text = "Both were evaluated on exactly the same test images."
    if images_["relabeled"]:
        text += f" {story.number(images_['relabeled'])} of them have another label than before; the label of today counts."
    return text


def cost(verdict: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of (what, champion, challenger): labels, time, and what the unlabeled images were worth to each."""
    both = [verdict["champion"], verdict["challenger"]]

    def row(title: str, show: Any) -> tuple[str, str, str]:
        before, after = ("\N{EN DASH}" if one is None else show(one) for one in both)
        return title, before, after

    return [
        row("Version", lambda one: one["version"]),
        row("Run", lambda one: one["run_id"]),
        row("Method", lambda one: one["method"].replace("_", " ")),
        row("Labels", lambda one: story.number(one["label_budget"])),
        row("Unlabeled images", lambda one: story.number(one["unlabeled"])),
        row("Gain over its own supervised baseline, points", lambda one: _ssl_gain(one["ssl_gain"])),
        row("Steps of training", lambda one: story.number(one["steps"])),
        row("Time of training", lambda one: story.duration(one["seconds"]) if one["seconds"] else "not recorded"),
        row("Device", lambda one: one["device"] or "not recorded"),
        row("Test images it was evaluated on", lambda one: story.number(one["test_images"])),
    ]


def _ssl_gain(gain: dict[str, Any] | None) -> str:
    if gain is None:
        return "not known (no baseline)"
    return f"{story.points(gain['error_rate'])} ({story.points(gain['low'])} to {story.points(gain['high'])})"


def _figures(verdict: dict[str, Any]) -> dict[str, Draw]:
    c = verdict["comparison"]
    if c is None:
        one = verdict["challenger"]
        alone = [("twin", "labels\nalone", one["baseline"])] if one["baseline"] else []
        return {"errors": figures.error_bars([("main", "challenger", one["error"]), *alone])}
    bars = [("main", "challenger", c["challenger"]), ("twin", "champion", c["champion"])]
    return {"errors": figures.error_bars(bars), "classes": class_differences(c["per_class"])}


def class_differences(rows: list[dict[str, Any]]) -> Draw:
    """Difference of recall per class with its interval, the largest fall on top."""
    rows = sorted(rows, key=lambda row: row["difference"])[:CLASSES_DRAWN]

    def draw(p: Palette) -> Figure:
        figure = Figure(figsize=(WIDTH, 0.26 * len(rows) + 0.7), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=p.muted, linewidth=1)
        for i, row in enumerate(rows):
            color = p.twin if row["difference"] < 0 else p.main
            axes.plot([100 * row["low"], 100 * row["high"]], [i, i], color=color, linewidth=1.6)
            axes.plot([100 * row["difference"]], [i], "s" if row["difference"] < 0 else "o", color=color, markersize=5)
        axes.set_yticks(range(len(rows)), [short(row["class"]) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=p.ink)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("recall, challenger minus champion, percentage points")
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        return figure

    return draw


def _sheets(pairs: Pairs, kept: KeptById, shown: int) -> list[dict[str, Any]]:
    """The three contact sheets. Images whose pixels were not kept are counted, not shown."""
    kinds = (("worse", pairs.worse), ("better", pairs.better), ("suspects", pairs.suspects))
    return [_sheet(name, rows, pairs, kept, shown) for name, rows in kinds]


def _sheet(name: str, rows: npt.NDArray[np.int64], pairs: Pairs, kept: KeptById, shown: int) -> dict[str, Any]:
    there = [i for i in rows if pairs.challenger.ids[i] in kept]
    return {"name": name, "total": len(rows), "tiles": [_tile(i, pairs, kept) for i in there[:shown]]}


def _tile(i: int, pairs: Pairs, kept: KeptById) -> dict[str, Any]:
    old, new = pairs.champion, pairs.challenger
    return {
        "picture": images.picture(*kept[new.ids[i]]),
        "path": new.paths[i],
        "label": new.labels[i],
        "champion": old.predicted[i],
        "champion_sure": float(old.probability[i]),
        "challenger": new.predicted[i],
        "challenger_sure": float(new.probability[i]),
    }


def _write_flipped(pairs: Pairs, path: Path) -> None:
    """Every image on which exactly one of the two is right, worst first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FLIPPED)
        for change, rows in (("worse", pairs.worse), ("better", pairs.better)):
            writer.writerows((*row, change) for row in _rows(pairs, rows))


def _rows(pairs: Pairs, rows: npt.NDArray[np.int64]) -> Iterable[tuple[Any, ...]]:
    old, new = pairs.champion, pairs.challenger
    for i in rows:
        answers = (old.predicted[i], round(float(old.probability[i]), 6), new.predicted[i], round(float(new.probability[i]), 6))
        yield (new.ids[i], new.paths[i], new.labels[i], *answers)
