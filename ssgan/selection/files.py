"""What ``ssgan next`` leaves: queue.csv for people, label_studio.* for Label Studio, selection.json for the verdict.

Nothing in them tells when they were made, so the same input gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ssgan import atomic
from ssgan.errors import DataError
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.selection.choose import Pick, Selection, SelectionRules
from ssgan.selection.label_studio import interface, task
from ssgan.selection.shares import SLICES

QUEUE, TASKS, INTERFACE, SELECTION = "queue.csv", "label_studio.json", "label_studio.xml", "selection.json"
COLUMNS = ("rank", "sha256", "path", "slice", "predicted", "probability", "score", "reason", "cluster")
FORMAT = 1


class Chooser(NamedTuple):
    """The model that chose. version: run and checkpoint; weights: sha256 of its file; calibration: a sentence."""

    version: str
    weights: str
    temperature: float
    calibration: str
    classes: list[str]


class Naming(NamedTuple):
    """What people see. url: what stands before a path so that Label Studio finds the image (see ``label_studio.url_of``).

    paths: of the images, within their source. classes: current names of all classes; taxonomy: of those that the model knows.
    """

    url: str
    paths: Mapping[str, str]
    classes: Sequence[str]
    taxonomy: Taxonomy


def write(out: Path, selection: Selection, naming: Naming, chooser: Chooser | None, rules: SelectionRules) -> None:
    """Write the files into ``out``, the record of the selection last. chooser: None where no model was there."""
    current_name = naming.taxonomy.current_name
    tasks = [
        task(
            p, naming.paths[p.sha256], p.predicted and current_name(p.predicted), chooser.version if chooser else "", naming.url
        )
        for p in selection.picks
    ]
    texts = {
        QUEUE: queue_csv(selection.picks, naming.paths),
        TASKS: _json(tasks),
        INTERFACE: interface(naming.classes),
        SELECTION: _json(record(selection, chooser, rules)),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        atomic.write_text(out / name, text)


def queue_csv(picks: Sequence[Pick], paths: Mapping[str, str]) -> str:
    """The queue as CSV, in the order in which it should be labeled."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pick in picks:
        row = {**pick._asdict(), "path": paths[pick.sha256], "predicted": pick.predicted or "", "cluster": pick.cluster or ""}
        row |= {key: "" if row[key] is None else f"{row[key]:.4f}" for key in ("probability", "score")}
        writer.writerow([row[column] for column in COLUMNS])
    return text.getvalue()


def record(selection: Selection, chooser: Chooser | None, rules: SelectionRules) -> dict[str, Any]:
    """All that is needed to say later whether the picks were worth it, and to make the same ones again."""
    counts = Counter(pick.slice for pick in selection.picks)
    return {
        "format": FORMAT,
        "model": chooser and chooser._asdict(),
        "clusters": rules.clusters,
        "seed": rules.seed,
        "near_duplicate": {"bits": rules.bits, "rmse": rules.rmse},
        "budget": rules.shares.budget,
        "wanted": rules.shares._asdict(),
        "chosen": {name: counts[name] for name in SLICES},
        "beyond_class_share": selection.beyond_share,
        "pool": {"images": selection.pool.size, "sha256": selection.pool.sha256},
        "picks": [{"sha256": p.sha256, "slice": p.slice, "predicted": p.predicted} for p in selection.picks],
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """The content of selection.json. Raises DataError where there is none, or none that this code reads."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        known = value["format"] == FORMAT and {pick["slice"] for pick in value["picks"]} <= set(SLICES)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; choose images first: `ssgan next --budget 200`") from None
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise DataError(f"{path} is not what `ssgan next` wrote; restore it from git, or choose images anew")
    return value
