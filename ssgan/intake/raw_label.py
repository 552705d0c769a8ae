"""One label as a file gives it, before it is resolved to an image and to a class."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class LabelFormat(StrEnum):
    """Formats that labels can be imported from."""

    csv = "csv"
    folders = "folders"
    label_studio = "label-studio"
    coco = "coco"
    json_rows = "json-rows"
    cvat = "cvat"


USER_NUMBER = "label-studio user "  # before the number of a user, where the export has no name


class RawLabel(NamedTuple):
    """One label. ``sha256`` or ``path`` is not empty; ``annotator``, ``time`` and ``settles`` may be (see ledger.Vote).

    path: as written in the file; a URL where a tool writes URLs. where: the place in the file, for messages.
    """

    sha256: str
    path: str
    label: str
    where: str
    annotator: str = ""
    time: str = ""
    settles: str = ""


class Problem(NamedTuple):
    """What should be a vote and cannot be one, and what a person can do about it."""

    text: str
    remedy: str


@dataclass
class ParsedFile:
    """The content of a label file.

    kind: name of the format. fingerprint: hex sha256 of the content. time: when the content last changed, ISO 8601.
    skipped: what is no vote, with counts (lines without a label, skipped tasks, ...).
    remarks: what to know about the votes, with counts. problems: a person must look at these.
    """

    kind: str
    fingerprint: str
    time: str
    labels: list[RawLabel] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def remark(self, what: str) -> None:
        self.remarks[what] = self.remarks.get(what, 0) + 1

    def problem(self, text: str, remedy: str) -> None:
        self.problems.append(Problem(text, remedy))


def text_of(value: Any) -> str:
    """A JSON scalar as text, stripped; empty for null and for anything that is no scalar."""
    return printable(str(value).strip()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def printable(name: str) -> str:
    """A name that was not UTF-8, and that JSON holds in its own way, as ``ingest`` spells it: ``gr\\xf6n.png``."""
    if name.isascii():
        return name
    from ssgan.data.sources import text  # on demand: it loads the configuration, which the help of a command does not need

    try:
        return text(name)
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace").decode()
