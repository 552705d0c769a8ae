"""What to do when the page has been read: the last section of the report."""

from __future__ import annotations

from typing import Any, NamedTuple

from ssgan.evaluation.comparison import too_few
from ssgan.report.inputs import Facts
from ssgan.report.story import percent
from ssgan.wording import counted

FEW_LABELS = 20  # labels per class below which more of them help most


class NextStep(NamedTuple):
    """A reason, and the command that follows from it; empty where there is none."""

    why: str
    command: str = ""


def next_steps(facts: Facts) -> list[NextStep]:
    """In the order in which they are worth doing."""
    n = facts.metrics
    found = []
    if n["main"]["errors"]:
        found.append(NextStep("Find labels that look wrong, in what the model has learned from.", "ssgan audit"))
    if n["gain"] and n["gain"]["verdict"] == "too_few":
        found.append(NextStep(f"Label more for validation and test: {too_few(n['gain'], n['images']['test'])}.", LABEL))
    elif n["gain"] and n["gain"]["verdict"] == "harm":
        found.append(NextStep("Search parameters with which the unlabeled images do no harm.", "ssgan tune"))
    found.append(NextStep(_labels(n), LABEL))
    found += [
        NextStep("Compare the model with the one that is live, and let it take its place.", "ssgan compare && ssgan promote"),
        NextStep("Use it: a table of classes and probabilities for a folder of images.", "ssgan predict FOLDER"),
    ]
    return found


LABEL = "ssgan next --budget 200 && ssgan label"


def _labels(n: dict[str, Any]) -> str:
    per_class = n["budget"]["label_budget"] / len(n["classes"])
    hardest = min((row for row in n["main"]["per_class"] if row["images"]), key=lambda row: row["recall"])
    begin = "Label more" if per_class < FEW_LABELS else "Label what the model is least sure of"
    found = (
        f"; “{hardest['class']}” is found least often, {percent(hardest['recall'], 0)} of {counted(hardest['images'], 'image')}"
    )
    learned = f"{counted(round(per_class), 'label')} per class to learn from"
    return f"{begin}: the model had {learned}{found if n['main']['errors'] else ''}."
