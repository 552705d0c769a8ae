"""Exports of Label Studio: JSON (tasks with annotations), JSON-MIN (one flat object per annotation), CSV and TSV (the same).

Skipped tasks (``was_cancelled``), predictions and drafts are not votes; a prediction that a person submitted is one, and is
counted. The image is ``data.sha256`` where a task has that, else ``data.image``. Before version 1.0, annotations were called
``completions``.

Only JSON tells answers from the data of a task, and one control from another. The flat forms put everything side by side: there
a field is the answer if it is the only one that can be, or if a person names it (``Fields.control``).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from ssgan.errors import DataError
from ssgan.intake.options import Fields
from ssgan.intake.raw_label import USER_NUMBER, ParsedFile, RawLabel, text_of
from ssgan.ledger.vote import time_text
from ssgan.wording import counted

# about the annotation, in JSON-MIN
_NO_ANSWER = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
_NO_ANSWER |= {"image", "path", "url", "sha256", "slice", "reason"}  # what `ssgan next` and others put into a task
_IMAGES = ("image", "path", "url")
_NAME_CONTROL = "name the control that is the class: --control NAME"
_ONE_CLASS = "decide on one class for the image in the labeling tool, and export again"


def recognizes(content: Any) -> bool:
    """Whether parsed JSON is such an export, or one task of it."""
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, dict) and (isinstance(first.get("data"), dict) or "annotation_id" in first or "lead_time" in first)


def table(text: str) -> list[dict[str, Any]] | None:
    """The lines of an export as CSV or TSV, which are those of JSON-MIN; None for any other text."""
    header = text.partition("\n")[0]
    if "lead_time" not in header:
        return None
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ","))


def read(content: Any, fields: Fields, parsed: ParsedFile) -> None:
    """Add the choices of all annotations. Raises DataError if it is not a list of tasks, or the named control is missing."""
    tasks = [content] if isinstance(content, dict) and recognizes(content) else content
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError("a Label Studio export is a JSON list of tasks; export it again as JSON")
    whole = [task for task in tasks if isinstance(task.get("data"), dict)]
    flat = [task for task in tasks if not isinstance(task.get("data"), dict)]
    controls = list(dict.fromkeys([*_controls(whole), *_answer_fields(flat, fields)]))
    if fields.control and fields.control not in controls:
        there = ", ".join(map(repr, controls)) or "none"
        raise DataError(f"--control {fields.control!r} answers nothing in this file; the controls in it are {there}")
    wanted = [fields.control] if fields.control else controls
    for number, task in enumerate(tasks):
        where = f"task {task.get('id', number)}"
        (_read_task if isinstance(task.get("data"), dict) else _read_flat)(task, where, wanted, fields, parsed)


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    return task.get("annotations") or task.get("completions") or []


def _cancelled(annotation: dict[str, Any]) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _controls(tasks: list[dict[str, Any]]) -> list[str]:
    """Names of all controls that offer choices."""
    parts = (part for task in tasks for one in _annotations(task) if not _cancelled(one) for part in one.get("result") or [])
    return list(dict.fromkeys(text_of(part.get("from_name")) for part in parts if part.get("type") == "choices"))


def _answer_fields(tasks: list[dict[str, Any]], fields: Fields) -> list[str]:
    """Fields of flat objects that may be the answer."""
    return list(dict.fromkeys(field for task in tasks for field in task if field not in {*_NO_ANSWER, fields.image}))


def _read_task(task: dict[str, Any], where: str, controls: list[str], fields: Fields, parsed: ParsedFile) -> None:
    annotations = _annotations(task)
    if not annotations:
        parsed.skip("tasks with a draft that was never submitted" if task.get("drafts") else "tasks without an annotation")
    for one in annotations:
        if _cancelled(one):
            parsed.skip("skipped tasks (was_cancelled)")
            continue
        parts = one.get("result") or []
        choices = [part for part in parts if part.get("type") == "choices"]
        others = sorted({text_of(part.get("type")) for part in parts} - {"choices", ""})
        if others and not choices:
            text = f"{where}: answered with {' and '.join(others)}, which are not a class of the image"
            parsed.problem(text, "only choices are read; for boxes, export COCO")
        elif choices and len(controls) > 1:
            parsed.problem(f"{where}: the file has the controls {', '.join(controls)}", _NAME_CONTROL)
        else:
            answers = [_flat_choices(part.get("value")) for part in choices if text_of(part.get("from_name")) in controls]
            names = [choice for answer in answers for choice in answer or []]
            label = _label(task["data"], names, where, fields, parsed)
            if label and all(part.get("origin") == "prediction" for part in choices):
                parsed.remark("votes are a model's proposal that a person submitted as it was (origin: prediction)")
            _add(label, one.get("completed_by"), one.get("updated_at") or one.get("created_at"), parsed)


def _read_flat(task: dict[str, Any], where: str, controls: list[str], fields: Fields, parsed: ParsedFile) -> None:
    """JSON-MIN has no fixed name for the answer: it stands under the name of the control, among the data of the task."""
    if "annotation_id" in task and task["annotation_id"] in (None, ""):
        parsed.skip("tasks without an annotation")
        return
    if len(controls) > 1:
        text = f"{where}: which field is the answer ({', '.join(map(str, controls))})?"
        parsed.problem(text, f"export as JSON, which tells answers from the data of a task, or {_NAME_CONTROL}")
        return
    choices = _flat_choices(task.get(controls[0])) if controls else []
    if choices is None:
        parsed.problem(f"{where}: `{controls[0]}` is no choice", "only choices are read; for boxes, export COCO")
        return
    label = _label(task, choices, where, fields, parsed)
    _add(label, task.get("annotator"), task.get("updated_at") or task.get("created_at"), parsed)


def _flat_choices(value: Any) -> list[Any] | None:
    """The choices in a field of JSON-MIN or a cell of CSV (JSON again, if several); None for another kind of answer."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if isinstance(value, dict):
        value = value.get("choices", {})
    found = value if isinstance(value, list) else [value]
    return None if any(isinstance(one, dict | list) for one in found) else found


def _label(data: dict[str, Any], choices: list[Any], where: str, fields: Fields, parsed: ParsedFile) -> RawLabel | None:
    """The one choice for an image; None, and a remark, where there is no single one."""
    names = sorted({text_of(choice) for choice in choices} - {""})
    path = next((text for name in [fields.image] * bool(fields.image) or _IMAGES if (text := text_of(data.get(name)))), "")
    sha256 = text_of(data.get("sha256")).lower()
    if not names:
        parsed.skip("annotations without a choice")
    elif not (sha256 or path):
        there = ", ".join(map(str, data))
        parsed.problem(f"{where}: its data does not name an image", f"name the field that does: --image-field NAME, of {there}")
    elif len(names) > 1:
        parsed.problem(f"{where}: {counted(len(names), 'choice')} ({', '.join(names)}), but an image has one class", _ONE_CLASS)
    else:
        return RawLabel(sha256, path, names[0], where)
    return None


def _add(label: RawLabel | None, who: Any, time: Any, parsed: ParsedFile) -> None:
    if label:
        parsed.labels.append(label._replace(annotator=_annotator(who), time=_time(time)))


def _time(value: Any) -> str:
    """ISO 8601; versions before 1.0 wrote seconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError, OSError):  # then it is reported as the text that it is
            return time_text(datetime.fromtimestamp(value, UTC))
    return text_of(value)


def _annotator(who: Any) -> str:
    """The e-mail address where the export has it, else the number of the user."""
    if isinstance(who, dict):
        return text_of(who.get("email")) or _annotator(who.get("id"))
    name = text_of(who)
    return f"{USER_NUMBER}{name}" if name.isdecimal() else name
