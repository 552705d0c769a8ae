"""Facts to files: ``report/index.html`` and the PNGs beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ssgan.config import ReportConfig
from ssgan.evaluation import history
from ssgan.evaluation.comparison import p_text
from ssgan.evaluation.rows import answer
from ssgan.report import counts, figures, images, story
from ssgan.report.figures import Draw
from ssgan.report.inputs import Facts, Mistakes, ReportInputs, read
from ssgan.report.matrix import LARGEST, figure_width, matrix, most_frequent
from ssgan.report.next_steps import next_steps
from ssgan.wording import counted

GENERATED_TILE = 64  # pixels on the page to which small generated images are enlarged
PNG_MISTAKES = 48  # on the contact sheet file
TITLES = {  # of the PNG files, which people take out of the page
    "errors": "Error on unseen images",
    "curves": "Error while training",
    "confusion": "Which class is taken for which",
    "calibration": "Do the probabilities mean what they say?",
    "risk_coverage": "Error if the least sure images are left to a person",
}
IDENTITY = ("run_id", "code_version", "data_version", "labeled_ids_sha256", "versions")  # keys of the manifest
SCORES = (
    ("error_rate", "Error rate"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("nll", "Negative log-likelihood, nats"),
    ("nll_calibrated", "Negative log-likelihood after temperature, nats"),
    ("ece", "Expected calibration error (ECE)"),
    ("ece_calibrated", "Expected calibration error after temperature"),
    ("temperature", "Temperature"),
)


def render(inputs: ReportInputs, out: Path, config: ReportConfig) -> None:
    """Write the page and the PNG files into ``out``: the same inputs give the same bytes.

    Raises:
        DataError: a file of ``train`` or ``evaluate`` is missing or damaged.
    """
    facts = read(inputs)
    mistakes = facts.mistakes.first(config.mistakes)
    drawn = _figures(facts)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.png"):  # figures of an earlier run that this run does not have
        old.unlink()
    for name, draw in drawn.items():
        figures.png(draw, out / f"{name}.png", title=story.about(facts, TITLES[name]))
    if len(mistakes.images):
        title = story.about(facts, "The most confident mistakes")
        figures.png(figures.mistakes(mistakes.first(PNG_MISTAKES)), out / "mistakes.png", title=title)
    generated = _generated(facts, config, out)
    context = _context(facts, mistakes, drawn, generated)
    (out / "index.html").write_text(environment().get_template("page.html").render(context), encoding="utf-8")


def environment() -> jinja2.Environment:
    """Templates of pages: names are escaped, a variable that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ssgan.report"),
        autoescape=True,  # class names and paths come from strangers
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (story.percent, story.points, story.number, story.duration, p_text, story.visible, counted, answer):
        environment.filters[filter_.__name__] = filter_
    return environment


def _figures(facts: Facts) -> dict[str, Draw]:
    curves = {role: history.val_errors(rows) for role, rows in facts.history.items()}
    drawn = {"errors": figures.errors(facts)}
    if any(curves.values()):
        drawn["curves"] = figures.curves(curves, "labels alone" if story.supervised(facts) else "with unlabeled images")
    if len(facts.classes) <= LARGEST:
        drawn["confusion"] = matrix(facts.confusion, facts.classes)
    fitted = facts.metrics["main"]["temperature"] != 1.0
    drawn["calibration"] = figures.calibration(facts.calibration, fitted)
    drawn["risk_coverage"] = figures.risk_coverage(facts.risk_coverage, facts.metrics["main"]["abstention"])
    return drawn


def _generated(facts: Facts, config: ReportConfig, out: Path) -> dict[str, Any] | None:
    """The grid of generated images as a data URI with its size on the page, and ``generated.png``."""
    if facts.generated is None or not len(facts.generated[: config.generated]):
        return None
    shown = facts.generated[: config.generated]
    size = shown.shape[-1]
    sheet = images.sheet(images.enlarge(shown, images.factor(size, GENERATED_TILE)))
    (out / "generated.png").write_bytes(images.encode(sheet))
    uri = images.data_uri(sheet, lossless=size <= images.LOSSLESS_UP_TO)
    return {"uri": uri, "width": sheet.shape[-1], "count": len(shown)}


def _context(facts: Facts, mistakes: Mistakes, drawn: dict[str, Draw], generated: dict[str, Any] | None) -> dict[str, Any]:
    n, m = facts.metrics, facts.manifest
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    return {
        "style": Markup(style),  # a file of this package
        "story": story.tell(facts),
        "n": n,
        "m": m,
        "ran": story.ran(facts),
        "unlabeled": story.unlabeled_images(facts),
        "figures": {name: figures.svg(draw, name) for name, draw in drawn.items()},
        "wide": figure_width(len(facts.classes)) / figures.WIDTH,
        "per_class": _hardest_first(n),
        "confusions": most_frequent(facts.confusion, facts.classes),
        "mistakes": _tiles(mistakes),
        "generated": generated,
        "has_generator": facts.generated is not None,
        "checks": story.checks(facts),
        "ingested": story.ingested(facts),
        "ingest": counts.rows(facts.ingest, counts.INGEST),
        "split": counts.rows(facts.split, counts.SPLIT),
        "next_steps": next_steps(facts),
        "warnings": story.warnings(facts),
        "scores": SCORES,
        "parameters": [
            *story.flat(m.get("config") or {}),
            *story.flat((m.get("params") or {}).get("method") or {}, "resolved"),
        ],
        "versions": list(story.flat({key: m.get(key) for key in IDENTITY})),
        "hashes": [(name, entry["size"], entry["sha256"]) for name, entry in sorted(m["files"].items())],
    }


def _hardest_first(n: dict[str, Any]) -> list[tuple[dict[str, Any], float | None]]:
    """(row of the model, recall of the twin) per class; classes without test images at the end."""
    twin = [row["recall"] for row in n["twin"]["per_class"]] if n["twin"] else [None] * len(n["classes"])
    pairs = list(zip(n["main"]["per_class"], twin, strict=True))
    return sorted(pairs, key=lambda pair: 2.0 if pair[0]["recall"] is None else pair[0]["recall"])


def _tiles(mistakes: Mistakes) -> list[dict[str, Any]]:
    m = mistakes
    rows = zip(m.images, m.originals, m.paths, m.actual, m.predicted, m.probability, strict=True)
    keys = ("picture", "path", "actual", "predicted", "probability")
    return [dict(zip(keys, (images.picture(pixels, original), *rest), strict=True)) for pixels, original, *rest in rows]
