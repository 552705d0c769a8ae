"""Labels of images: class folders, a CSV file or a label ledger become one class name per image.

A *vote* is one statement "this image shows that class". Equal votes are counted once; different votes for one image are
a conflict, whichever way they came in: two lines of a CSV file, or copies of one file in two class folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssgan.config import SplitConfig
from ssgan.data.label_csv import Line, read_csv
from ssgan.errors import DataError
from ssgan.ledger import Ledger
from ssgan.ledger.taxonomy import Taxonomy

EXAMPLES = 5  # shown in an error
NO_LABEL = -1


class LabelVote(NamedTuple):
    """One label for one image: row of the image, name of the class, and where the vote stands."""

    row: int
    name: str
    where: str


@dataclass(frozen=True)
class Labels:
    """The class of every image.

    names: the classes that occur, sorted.
    index: (N,) int32, position in ``names``, NO_LABEL where an image has none.
    dropped: rows of the images that lost their label to a conflict.
    counts: what was read and what was left out, for ``split.json``.
    taxonomy: renames and merges of classes; only a ledger has any.
    """

    names: list[str]
    index: npt.NDArray[np.int32]
    dropped: list[int]
    counts: dict[str, int]
    taxonomy: Taxonomy = field(default_factory=Taxonomy)


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
    path = Path(config.labels)
    if is_ledger(path):
        return _from_ledger(Ledger(path), images, config)
    votes, counts = _csv_votes(read_csv(path), images, duplicates, config)
    return resolve(votes, images.num_rows, config, counts)


def is_ledger(path: Path) -> bool:
    """Whether ``split.labels`` names a label ledger (a folder, there or yet to be made), not a CSV file."""
    return path.is_dir() or not (path.exists() or path.suffix)


def _from_ledger(ledger: Ledger, images: pa.Table, config: SplitConfig) -> Labels:
    """The labels that ``split.label_policy`` finds in a ledger. Raises DataError like ``resolve``."""
    state = ledger.state(config.label_policy)
    if state.taxonomy.contradictions:
        raise DataError(
            f"{ledger.folder} contradicts itself: {examples(state.taxonomy.contradictions)}; take one of the two back with "
            "`ssgan labels undo ID`"
        )
    if not state.votes:
        raise DataError(
            f"split.labels: {ledger.folder} is a ledger without votes; fill it by `ssgan labels import FILE`, or begin "
            "without: `dvc repro features`, `ssgan next --clusters 20`, `ssgan label`"
        )
    rows = {image: row for row, image in enumerate(images["id"].to_pylist())}
    unknown = [image for image in state.votes if image not in rows]
    if unknown and config.on_unknown_image == "error":
        raise DataError(
            f"{ledger.folder} has votes for {len(unknown)} images that were not ingested: {examples(unknown)}; bring them "
            "back, or set `split.on_unknown_image: report`"
        )
    conflicts = {image: votes for image, votes in state.conflicts.items() if image in rows}
    if conflicts and config.on_conflict == "error":
        paths = images["path"].take([rows[image] for image in conflicts]).to_pylist()
        texts = [" but ".join(f"{v.label!r} ({v.annotator})" for v in votes) for votes in conflicts.values()]
        shown = [f"{path}: {text}" for path, text in zip(paths, texts, strict=True)]
        raise DataError(
            f"{len(conflicts)} images have votes that `split.label_policy: {config.label_policy}` cannot decide on: "
            f"{examples(shown)}; `ssgan labels conflicts` writes the list to fill in, or set `split.on_conflict: drop` to "
            "treat these images as unlabeled"
        )
    labels = {rows[image]: label for image, label in state.labels.items() if image in rows}
    votes = sum(map(len, state.votes.values()))
    counts = {"votes": votes, "repeated": votes - len(state.votes), "unknown_images": len(unknown)}
    return _labels(labels, images.num_rows, [rows[image] for image in conflicts], counts, state.taxonomy)


def _folder_votes(images: pa.Table, duplicates: pa.Table) -> list[LabelVote]:
    """One vote for every file that lies in a class folder, copies included."""
    rows = {image: row for row, image in enumerate(images["id"].to_pylist())}
    tables = [t.select(["id", "path", "folder_class"]).to_pydict() for t in (images, duplicates)]
    return [
        LabelVote(rows[image], name, path)
        for table in tables
        for image, path, name in zip(table["id"], table["path"], table["folder_class"], strict=True)
        if name is not None and image in rows
    ]


def _csv_votes(
    lines: Iterable[Line], images: pa.Table, duplicates: pa.Table, config: SplitConfig
) -> tuple[list[LabelVote], dict[str, int]]:
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
            votes.append(LabelVote(row, line.name, f"line {line.number}"))
    if unknown and config.on_unknown_image == "error":
        raise DataError(
            f"split.labels: {config.labels} has {len(unknown)} labels for images that were not ingested: {examples(unknown)}; "
            f"ingested paths look like {images['path'][0].as_py()!r}; fix the file, or set `split.on_unknown_image: report`"
        )
    return votes, {"lines_without_label": empty, "unknown_images": len(unknown)}


def resolve(votes: Sequence[LabelVote], n: int, config: SplitConfig, counts: dict[str, int]) -> Labels:
    """One class per image out of all votes for ``n`` images.

    Raises:
        DataError: if an image has two classes and ``split.on_conflict`` is "error".
    """
    first: dict[int, LabelVote] = {}
    conflicts: dict[int, LabelVote] = {}
    for vote in votes:
        if first.setdefault(vote.row, vote).name != vote.name:
            conflicts.setdefault(vote.row, vote)
    if conflicts and config.on_conflict == "error":
        shown = [f"{_vote_text(first[row])} but {_vote_text(vote)}" for row, vote in sorted(conflicts.items())]
        raise DataError(
            f"{len(conflicts)} images have two different labels: {examples(shown)}; fix the labels, or set "
            "`split.on_conflict: drop` to treat these images as unlabeled"
        )
    chosen = {row: vote.name for row, vote in first.items() if row not in conflicts}
    repeated = sum(vote.row in chosen for vote in votes) - len(chosen)
    return _labels(chosen, n, list(conflicts), {"votes": len(votes), "repeated": repeated, **counts}, Taxonomy())


def _labels(chosen: dict[int, str], n: int, dropped: list[int], counts: dict[str, int], taxonomy: Taxonomy) -> Labels:
    names = sorted(set(chosen.values()))
    position = {name: i for i, name in enumerate(names)}
    index = np.full(n, NO_LABEL, np.int32)
    index[list(chosen)] = [position[name] for name in chosen.values()]
    counts = {**counts, "labeled_images": len(chosen), "conflicts_dropped": len(dropped)}
    return Labels(names, index, sorted(dropped), counts, taxonomy)


def _vote_text(vote: LabelVote) -> str:
    return f"{vote.name!r} ({vote.where})"
