"""Who says what an image shows: class folders or a CSV file become one class name per image.

A *vote* is one statement "this image shows that class". Equal votes are counted once; different votes for one image are
a conflict, whichever way they came in: two lines of a CSV file, or copies of one file in two class folders.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.config import SplitConfig
from ssgan.errors import DataError

EXAMPLES = 5  # shown in an error
NO_LABEL = -1


class Vote(NamedTuple):
    """One label for one image: row of the image, name of the class, and where it was said."""

    row: int
    name: str
    where: str


class Line(NamedTuple):
    """One line of a label file; ``sha256`` or ``path`` is not empty, ``name`` may be."""

    number: int
    path: str
    sha256: str
    name: str


@dataclass(frozen=True)
class Labels:
    """The class of every image.

    names: the classes that occur, sorted.
    index: (N,) int32, position in ``names``, NO_LABEL where an image has none.
    dropped: rows of the images that lost their label to a conflict.
    counts: what was read and what was left out, for ``split.json``.
    """

    names: list[str]
    index: npt.NDArray[np.int32]
    dropped: list[int]
    counts: dict[str, int]


def examples(items: Sequence[str]) -> str:
    """The first few items and how many more there are."""
    more = f" and {len(items) - EXAMPLES} more" if len(items) > EXAMPLES else ""
    return ", ".join(items[:EXAMPLES]) + more


def collect(images: pa.Table, duplicates: pa.Table, config: SplitConfig) -> Labels:
    """Labels of all images, from where ``split.labels`` says.

    Args:
        images: columns id, path, folder_class; N rows.
        duplicates: columns path, id, folder_class: further files with the bytes of an image above.

    Raises:
        DataError: for a broken label file, and for what the policies of the config do not allow.
    """
    if config.labels is None:
        return resolve(_folder_votes(images, duplicates), images.num_rows, config, {})
    lines = read_csv(Path(config.labels))
    votes, counts = _csv_votes(lines, images, duplicates, config)
    return resolve(votes, images.num_rows, config, counts)


def read_csv(path: Path) -> list[Line]:
    """The lines of a label file: columns ``path`` or ``sha256``, and ``label``; further columns are ignored.

    A byte order mark, CRLF, blank lines and spaces around values are fine. Where a line has both, ``sha256`` counts.

    Raises:
        DataError: naming the file, the line and the remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"split.labels is {str(path)!r}, which does not exist; mend the path or set `labels: null`") from None
    except UnicodeDecodeError:
        raise DataError(f"split.labels: {path} is not UTF-8 text; export it again as CSV in UTF-8") from None
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        numbered = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"split.labels: {path}, line {rows.line_num}: {error}; export it again as CSV") from None
    if not numbered:
        raise DataError(f"split.labels: {path} is empty; its first line must name the columns, such as `path,label`")
    header = _header(path, numbered[0][1])
    return [_line(path, header, number, row) for number, row in numbered[1:]]


def _header(path: Path, row: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in row]
    known = [name for name in ("path", "sha256", "label") if name in header]
    if "label" not in known or len(known) < 2:
        raise DataError(
            f"split.labels: {path} has the columns {[cell.strip() for cell in row]}; it needs `label` and one of `path`, "
            "`sha256` (separated by commas)"
        )
    if any(header.count(name) > 1 for name in known):
        raise DataError(f"split.labels: {path} has the columns {header}; each of {known} may stand there only once")
    return header


def _line(path: Path, header: list[str], number: int, row: list[str]) -> Line:
    if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
        raise DataError(
            f"split.labels: {path}, line {number} has {len(row)} values for {len(header)} columns; "
            "put values that hold a comma in double quotes"
        )
    cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
    line = Line(number, cells.get("path", ""), cells.get("sha256", "").lower(), cells.get("label", ""))
    if not line.path and not line.sha256:
        raise DataError(f"split.labels: {path}, line {number} names no image; fill in `path` or `sha256`, or delete the line")
    return line


def _folder_votes(images: pa.Table, duplicates: pa.Table) -> list[Vote]:
    """One vote for every file that lies in a class folder, copies included."""
    rows = {image: row for row, image in enumerate(images["id"].to_pylist())}
    tables = [t.select(["id", "path", "folder_class"]).to_pydict() for t in (images, duplicates)]
    return [
        Vote(rows[image], name, path)
        for table in tables
        for image, path, name in zip(table["id"], table["path"], table["folder_class"], strict=True)
        if name is not None and image in rows
    ]


def _csv_votes(
    lines: Iterable[Line], images: pa.Table, duplicates: pa.Table, config: SplitConfig
) -> tuple[list[Vote], dict[str, int]]:
    """Votes of a label file, and how many lines gave none. Copies of an image may be named by their own path."""
    by_id = {image: row for row, image in enumerate(images["id"].to_pylist())}
    copies = zip(duplicates["path"].to_pylist(), duplicates["id"].to_pylist(), strict=True)
    by_path = {path: by_id[image] for path, image in copies if image in by_id}
    by_path |= {path: row for row, path in enumerate(images["path"].to_pylist())}
    votes, unknown, empty = [], [], 0
    for line in lines:
        row = by_id.get(line.sha256) if line.sha256 else by_path.get(line.path.removeprefix("./"))
        if not line.name:  # listed, but not labeled yet: no vote
            empty += 1
        elif row is None:
            unknown.append(f"{line.path or line.sha256!r} (line {line.number})")
        else:
            votes.append(Vote(row, line.name, f"line {line.number}"))
    if unknown and config.on_unknown_image == "error":
        raise DataError(
            f"split.labels: {config.labels} has {len(unknown)} labels for images that were not ingested: {examples(unknown)}; "
            f"ingested paths look like {images['path'][0].as_py()!r}; mend the file, or set `split.on_unknown_image: report`"
        )
    return votes, {"lines_without_label": empty, "unknown_images": len(unknown)}


def resolve(votes: Sequence[Vote], n: int, config: SplitConfig, counts: dict[str, int]) -> Labels:
    """One class per image out of all votes for ``n`` images.

    Raises:
        DataError: if an image has two classes and ``split.on_conflict`` is "error".
    """
    first: dict[int, Vote] = {}
    conflicts: dict[int, Vote] = {}
    for vote in votes:
        if first.setdefault(vote.row, vote).name != vote.name:
            conflicts.setdefault(vote.row, vote)
    if conflicts and config.on_conflict == "error":
        shown = [f"{_said(first[row])} but {_said(vote)}" for row, vote in sorted(conflicts.items())]
        raise DataError(
            f"{len(conflicts)} images have two different labels: {examples(shown)}; mend the labels, or set "
            "`split.on_conflict: drop` to treat these images as unlabeled"
        )
    chosen = {row: vote.name for row, vote in first.items() if row not in conflicts}
    names = sorted(set(chosen.values()))
    position = {name: i for i, name in enumerate(names)}
    index = np.full(n, NO_LABEL, np.int32)
    index[list(chosen)] = [position[name] for name in chosen.values()]
    repeated = sum(vote.row in chosen for vote in votes) - len(chosen)
    read = {"votes": len(votes), "labeled_images": len(chosen), "repeated": repeated, "conflicts_dropped": len(conflicts)}
    return Labels(names, index, sorted(conflicts), read | counts)


def _said(vote: Vote) -> str:
    return f"{vote.name!r} ({vote.where})"
