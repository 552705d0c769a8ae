"""The model card: ``README.md`` of a registered model, laid out as the Hugging Face Hub reads it. Nothing in it is typed."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Any

import jinja2
import yaml

from ssgan.evaluation.serving import method_of, sentence
from ssgan.report import story
from ssgan.wording import counted

WORST = 3  # classes named under the limits
HASHES = ("run_id", "code_version", "data_version", "labeled_ids_sha256")  # keys of the training's manifest


def card(metrics: dict[str, Any], training: dict[str, Any], split: dict[str, Any]) -> str:
    """The card of a model from what ``evaluate``, ``train`` and ``split`` left: the same run gives the same text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ssgan.report"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown; names of classes and paths are escaped by ``plain``
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (story.percent, story.points, story.number, story.duration, plain, counted):
        environment.filters[filter_.__name__] = filter_
    known = dict(story.flat(training["config"]))
    context = {
        "head": yaml.safe_dump(_head(metrics, training, split, known), sort_keys=False, allow_unicode=True, width=120),
        "n": metrics,
        "m": training,
        "sets": split["sets"],
        "source": _source(known),
        "method": method_of(metrics, training),
        "left_out": sentence(metrics),
        "seeds": {"train.seed": known["train.seed"], "split.split_seed": known["split.split_seed"]},
        "hashes": [(key, training[key]) for key in HASHES],
        "worst": _worst(metrics),
    }
    return environment.get_template("card.md").render(context)


def approvals(moves: list[dict[str, Any]]) -> str:
    """A further section of the card: who gave the model its names, when, on what grounds. ``moves`` are lines of the log."""
    rows = ["", "## Approval", "", "| when | name | instead of | by | how | why |", "|---|---|---|---|---|---|"]
    for move in moves:
        how = f"verdict `{move['verdict']}`" if move["verdict"] else move["kind"]
        if move["license"]:
            how += f", license {plain(move['license'])} accepted"
        cells = (move["when"], move["alias"], move["before"] or "none", plain(move["by"]), how, plain(move["why"] or ""))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows if moves else [*rows[:3], "It was never promoted."]) + "\n"


def plain(text: str) -> str:
    """A name in Markdown that stays a name: no markup, no line break."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in story.visible(text))


def _source(known: dict[str, Any]) -> str:
    """Where the images come from; of a folder its name alone: where it lay on one machine is nobody else's business."""
    parts = [known.get(f"data.source.{key}") for key in ("kind", "dataset", "url")]
    folder = PureWindowsPath(known.get("data.source.path") or "").name  # knows both kinds of slashes
    return ": ".join(str(part) for part in (*parts, folder) if part)


def _head(metrics: dict[str, Any], training: dict[str, Any], split: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What the Hub reads: https://huggingface.co/docs/hub/model-cards, ``model-index`` as in Papers with Code."""
    main = metrics["main"]
    values = [
        ("accuracy", "Accuracy", 1 - main["error_rate"]),
        ("error_rate", "Error rate", main["error_rate"]),
        ("balanced_accuracy", "Balanced accuracy", main["balanced_accuracy"]),
        ("ece", "Expected calibration error after temperature", main["ece_calibrated"]),
    ]
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {
            "type": known["data.source.kind"],
            "name": _source(known),
            "split": "test",
            "revision": split["sets"]["test"]["ids_sha256"],
        },
        "metrics": [{"type": kind, "name": name, "value": round(value, 6)} for kind, name, value in values],
    }
    return {
        "library_name": "ssgan",
        "pipeline_tag": "image-classification",
        "tags": ["semi-supervised", method_of(metrics, training)],
        "model-index": [{"name": training["run_id"], "results": [result]}],
    }


def _worst(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The classes that are found least often, of those that have test images."""
    rows = [row for row in metrics["main"]["per_class"] if row["images"]]
    return sorted(rows, key=lambda row: row["recall"])[:WORST]
