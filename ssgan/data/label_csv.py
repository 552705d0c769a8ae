"""Label files: CSV with the columns ``path`` or ``sha256``, and ``label``."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from ssgan.errors import DataError
from ssgan.names import class_name, is_placeholder, whole_number
from ssgan.wording import counted

_OTHER_NAMES = {
    "path": ("filename", "file_name", "file", "filepath", "file_path", "image", "image_path", "image_id", "imageid", "img"),
    "label": ("class", "class_name", "category", "labelname", "label_name", "target", "species", "choice"),
}


class Line(NamedTuple):
    """One line of a label file; ``sha256`` or ``path`` is not empty, all the others may be.

    The last three are for the label ledger (ssgan.ledger.Vote); a file that is read by itself needs none of them.
    """

    number: int
    path: str
    sha256: str
    name: str
    annotator: str = ""
    time: str = ""
    settles: str = ""


def read_csv(path: Path, key: str = "split.labels", known: Collection[str] | None = ()) -> list[Line]:
    """The lines of a label file: columns ``path`` or ``sha256``, and ``label``; see ``Line`` for more. Others are ignored.

    A byte order mark, CRLF, blank lines and spaces around values are fine. Where a line has both, ``sha256`` counts.

    Args:
        key: begins the messages: who named the file.
        known: classes that are there already. A name that most likely is none (``nan``, ``None``), or one of these as
            pandas writes it (``1.0`` for ``1``), is an error. None: the caller asks.

    Raises:
        DataError: naming the file, the line and the remedy.
    """
    where = f"{key}: {path}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{where} does not exist; fix the path (or set `split.labels: null`)") from None
    except UnicodeDecodeError:
        raise DataError(f"{where} is not UTF-8 text; export it again as CSV in UTF-8") from None
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        numbered = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{where}, line {rows.line_num}: {error}; export it again as CSV") from None
    if not numbered:
        raise DataError(f"{where} is empty; its first line must name the columns, such as `path,label`")
    header = _header(where, numbered[0][1])
    lines = [_line(where, header, number, row) for number, row in numbered[1:]]
    if known is not None:
        _require_names(where, lines, known)
    return lines


def _require_names(where: str, lines: Sequence[Line], known: Collection[str]) -> None:
    """Raise DataError for a label that most likely stands for none, or for another one."""
    names = {*known, *(line.name for line in lines)}
    for line in lines:
        if is_placeholder(line.name) and line.name not in known:
            raise DataError(
                f"{where}, line {line.number}: is {line.name!r} a class, or no label? Leave the cell empty for no label "
                "(pandas: `na_rep`); for a class, take another name, or a label ledger: "
                f"`ssgan labels import FILE --new-class {line.name}`"
            )
        if (number := whole_number(line.name)) in names and line.name not in known:
            raise DataError(
                f"{where}, line {line.number}: is {line.name!r} the class {number!r}? Write one of them throughout (pandas: "
                "`astype('Int64')`)"
            )


def _header(where: str, row: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in row]
    known = [name for name in ("path", "sha256", "label") if name in header]
    if "label" not in known or len(known) < 2:
        raise DataError(
            f"{where} has the columns {[cell.strip() for cell in row]}; it needs `label` and one of `path`, "
            f"`sha256` (separated by commas){_renaming(header)}"
        )
    if any(header.count(name) > 1 for name in known):
        raise DataError(f"{where} has the columns {header}; each of {known} may stand there only once")
    return header


def _renaming(header: list[str]) -> str:
    """What columns of other names may be meant."""
    meant = [(name, wanted) for wanted, others in _OTHER_NAMES.items() for name in header if name in others]
    return "".join(f"; rename `{name}` to `{wanted}`" for name, wanted in meant[:2])


def _line(where: str, header: list[str], number: int, row: list[str]) -> Line:
    if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
        raise DataError(
            f"{where}, line {number} has {counted(len(row), 'value')} for {counted(len(header), 'column')}; "
            "put values that hold a comma in double quotes"
        )
    cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
    more = [cells.get(name, "") for name in ("annotator", "time", "settles")]
    line = Line(number, cells.get("path", ""), cells.get("sha256", "").lower(), class_name(cells.get("label", "")), *more)
    if not line.path and not line.sha256:
        raise DataError(f"{where}, line {number} does not name an image; fill in `path` or `sha256`, or delete the line")
    return line
