"""Exports of Label Studio: JSON (tasks with annotations), JSON-MIN (one flat object per annotation), CSV and TSV (the same).

Skipped tasks (``was_cancelled``), predictions and drafts are not votes. The image is ``data.sha256`` where a task has that,
else ``data.image``.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from ssgan.errors import DataError
from ssgan.intake.raw_label import ParsedFile, RawLabel, text_of

CONTROL = "label"  # name of the choices in the interface that `ssgan next` writes
_NO_ANSWER = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}  # of JSON-MIN, about the annotation
_NO_ANSWER |= {"image", "path", "url", "sha256", "slice", "reason"}  # what `ssgan next` and others put into a task


def recognizes(content: Any) -> bool:
    """Whether parsed JSON is such an export."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and ("data" in first or "annotation_id" in first)


def table(text: str) -> list[dict[str, Any]] | None:
    """The lines of an export as CSV or TSV, which are those of JSON-MIN; None for any other text."""
    header = text.partition("\n")[0]
    if "annotation_id" not in header or "lead_time" not in header:
        return None
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ","))


def read(tasks: Any, parsed: ParsedFile) -> None:
    """Add the choices of all annotations. Raises DataError if it is not a list of tasks."""
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError("a Label Studio export is a JSON list of tasks; export it again as JSON")
    for number, task in enumerate(tasks):
        where = f"task {task.get('id', number)}"
        if isinstance(task.get("data"), dict):
            _read_task(task, where, parsed)
        else:
            _read_flat(task, where, parsed)


def _read_task(task: dict[str, Any], where: str, parsed: ParsedFile) -> None:
    image = _image(task["data"])
    annotations = task.get("annotations") or []
    if not annotations:
        parsed.skip("tasks with a draft that was never submitted" if task.get("drafts") else "tasks without an annotation")
    for one in annotations:
        if one.get("was_cancelled"):
            parsed.skip("skipped tasks (was_cancelled)")
            continue
        choices = [
            choice
            for part in one.get("result") or []
            if part.get("type") == "choices"
            for choice in part.get("value", {}).get("choices", [])
        ]
        who = one.get("completed_by")
        _add(image, choices, who, one.get("updated_at") or one.get("created_at"), where, parsed)


def _read_flat(task: dict[str, Any], where: str, parsed: ParsedFile) -> None:
    """JSON-MIN has no fixed name for the answer: it stands under the name of the control, among the data of the task."""
    if "annotation_id" in task and task["annotation_id"] in (None, ""):
        parsed.skip("tasks without an annotation")
        return
    fields = [CONTROL] if task.get(CONTROL) else [field for field in task if field not in _NO_ANSWER]
    if len(fields) > 1:
        candidates = ", ".join(map(str, fields))
        parsed.problems.append(
            f"{where}: which field is the answer ({candidates})? name the control `{CONTROL}`, or export as JSON"
        )
        return
    found = task[fields[0]] if fields else []
    choices = found.get("choices", []) if isinstance(found, dict) else found if isinstance(found, list) else [found]
    _add(_image(task), choices, task.get("annotator"), task.get("updated_at") or task.get("created_at"), where, parsed)


def _add(image: tuple[str, str], choices: list[Any], who: Any, time: Any, where: str, parsed: ParsedFile) -> None:
    names = sorted({text_of(choice) for choice in choices} - {""})
    if not any(image):
        parsed.problems.append(f"{where}: its data does not name an image (`data.image` or `data.sha256`)")
    elif len(names) > 1:
        parsed.problems.append(f"{where}: {len(names)} choices ({', '.join(names)}), but an image has one class")
    elif not names:
        parsed.skip("annotations without a choice")
    else:
        parsed.labels.append(RawLabel(*image, names[0], where, _annotator(who), text_of(time)))


def _annotator(who: Any) -> str:
    """The e-mail address where the export has it, else the number of the user."""
    if isinstance(who, dict):
        return text_of(who.get("email")) or _annotator(who.get("id"))
    name = text_of(who)
    return f"label-studio user {name}" if name.isdecimal() else name


def _image(data: dict[str, Any]) -> tuple[str, str]:
    """(sha256, path or URL); empty where there is none."""
    path = text_of(data.get("image")) or text_of(data.get("path")) or text_of(data.get("url"))
    return text_of(data.get("sha256")).lower(), path
