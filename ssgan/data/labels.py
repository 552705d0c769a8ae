"""Labels of images: class folders, a CSV file or a label ledger become one class name per image.

A *vote* is one statement "this image shows that class". Equal votes are counted once; different votes for one image are
a conflict, whichever way they came in: two lines of a CSV file, or copies of one file in two class folders.

Letters: N images, M votes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import SplitConfig
from ssgan.data.ingested import EXAMPLES, Copies, IngestedImages, examples
from ssgan.data.label_csv import Line, read_csv
from ssgan.data.store import I64
from ssgan.data.tombstones import Removed
from ssgan.errors import DataError
from ssgan.ledger import Ledger
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.wording import counted

NO_LABEL = -1

I32 = npt.NDArray[np.int32]


class Votes(NamedTuple):
    """rows: (M,) images. codes: (M,) what is said of them, numbers in ``names``. where: the place of one vote, for messages."""

    rows: I64
    codes: I32
    names: list[str]
    where: Callable[[int], str]


@dataclass(frozen=True)
class Labels:
    """The class of every image.

    names: the classes that occur, sorted.
    index: (N,) int32, position in ``names``, NO_LABEL where an image has none.
    dropped: rows of the images that lost their label to a conflict, ascending.
    counts: what was read and what was left out, for ``split.json``.
    taxonomy: renames and merges of classes; only a ledger has any.
    """

    names: list[str]
    index: I32
    dropped: I64
    counts: dict[str, int]
    taxonomy: Taxonomy = field(default_factory=Taxonomy)


def collect(
    images: IngestedImages, copies: Copies, removed: Removed, config: SplitConfig, known: Collection[str] = ()
) -> Labels:
    """Labels of all images, from where ``split.labels`` says; those of removed images are left out, and counted.

    ``known``: classes that are there already.

    Raises:
        DataError: for a broken label file, and for what the policies of the config do not allow.
    """
    if config.labels is None:
        return resolve(_folder_votes(images, copies), len(images), config, {})
    path = Path(config.labels)
    if is_ledger(path):
        return _from_ledger(Ledger(path), images, removed, config)
    votes, counts = _csv_votes(read_csv(path, known=known), images, copies, removed, config)
    return resolve(votes, len(images), config, counts)


def is_ledger(path: Path) -> bool:
    """Whether ``split.labels`` names a label ledger (a folder, there or yet to be made), not a CSV file."""
    return path.is_dir() or not (path.exists() or path.suffix)


def _from_ledger(ledger: Ledger, images: IngestedImages, removed: Removed, config: SplitConfig) -> Labels:
    """The labels that ``split.label_policy`` finds in a ledger. Raises DataError like ``resolve``."""
    state = ledger.state(config.label_policy)
    if state.taxonomy.contradictions:
        raise DataError(
            f"{ledger.folder} contradicts itself: {examples(state.taxonomy.contradictions)}; take one of the two back with "
            "`ssgan labels undo ID`"
        )
    if not state.votes:
        raise DataError(
            f"split.labels: {ledger.folder} is a ledger without votes; fill it by `ssgan labels import FILE` (or a folder of "
            "class folders), or begin without: `dvc repro features`, `ssgan next --clusters 20`, `ssgan label`"
        )
    rows = images.rows_of_ids(state.votes)
    gone = [image for image in state.votes if removed.has(image)]
    unknown = [image for image in state.votes if image not in rows and not removed.has(image)]
    if unknown and config.on_unknown_image == "error":
        raise DataError(
            f"{ledger.folder} has votes for {counted(len(unknown), 'image that was', 'images that were')} not ingested: "
            f"{examples(unknown)}; bring them back, or set `split.on_unknown_image: report`"
        )
    conflicts = {rows[image]: votes for image, votes in state.conflicts.items() if image in rows}
    if conflicts and config.on_conflict == "error":
        shown = [
            f"{path}: " + " but ".join(f"{v.label!r} ({v.annotator})" for v in votes)
            for path, votes in zip(images.values(np.array([*conflicts][:EXAMPLES]), "path"), conflicts.values(), strict=False)
        ]
        raise DataError(
            f"{counted(len(conflicts), 'image has', 'images have')} votes that `split.label_policy: "
            f"{config.label_policy}` cannot decide on: "
            f"{examples(shown, len(conflicts))}; `ssgan labels conflicts` writes the list to fill in, or set "
            "`split.on_conflict: drop` to treat these images as unlabeled"
        )
    labels = {rows[image]: label for image, label in state.labels.items() if image in rows}
    index, names = np.full(len(images), NO_LABEL, np.int32), sorted(set(labels.values()))
    codes = {name: code for code, name in enumerate(names)}
    index[list(labels)] = [codes[name] for name in labels.values()]
    votes = sum(map(len, state.votes.values()))
    counts = {"votes": votes, "repeated": votes - len(state.votes), "unknown_images": len(unknown), "removed_images": len(gone)}
    return _labels(names, index, np.array(sorted(conflicts), np.int64), counts, state.taxonomy)


def _folder_votes(images: IngestedImages, copies: Copies) -> Votes:
    """One vote for every file that lies in a class folder, copies included."""
    named, more = np.flatnonzero(images.folder != NO_LABEL), np.flatnonzero(copies.folder != NO_LABEL)
    rows = np.concatenate([named, copies.rows[more]])

    def path(vote: int) -> str:
        return (
            str(images.values(rows[vote : vote + 1], "path")[0]) if vote < len(named) else copies.paths[more[vote - len(named)]]
        )

    return Votes(rows, np.concatenate([images.folder[named], copies.folder[more]]), copies.names, path)


def _csv_votes(
    lines: Sequence[Line], images: IngestedImages, copies: Copies, removed: Removed, config: SplitConfig
) -> tuple[Votes, dict[str, int]]:
    """Votes of a label file, and how many lines gave none. Copies of an image may be named by their own path."""
    by_id = images.rows_of_ids(line.sha256 for line in lines if line.sha256)
    by_path = dict(zip(copies.paths, copies.rows.tolist(), strict=True))
    by_path |= images.rows_of_paths(line.path.removeprefix("./") for line in lines if not line.sha256)
    voting, rows, unknown, empty, gone = [], [], [], 0, 0
    for line in lines:
        row = by_id.get(line.sha256) if line.sha256 else by_path.get(line.path.removeprefix("./"))
        if not line.name:  # listed, but not labeled yet: no vote
            empty += 1
        elif removed.has(line.sha256, line.path):
            gone += 1
        elif row is None:
            unknown.append(f"{line.path or line.sha256!r} (line {line.number})")
        else:
            voting.append(line)
            rows.append(row)
    if unknown and config.on_unknown_image == "error":
        raise DataError(
            f"split.labels: {config.labels} has {counted(len(unknown), 'label')} for images that were not ingested: "
            f"{examples(unknown)}; "
            f"ingested paths look like {images.values(np.zeros(1, np.int64), 'path')[0]!r}; fix the file, or set "
            "`split.on_unknown_image: report`"
        )
    codes = {name: code for code, name in enumerate(dict.fromkeys(line.name for line in voting))}
    what = np.array([codes[line.name] for line in voting], np.int32)
    votes = Votes(np.array(rows, np.int64), what, list(codes), lambda vote: f"line {voting[vote].number}")
    return votes, {"lines_without_label": empty, "unknown_images": len(unknown), "removed_images": gone}


def resolve(votes: Votes, n: int, config: SplitConfig, counts: dict[str, int]) -> Labels:
    """One class per image out of all votes for ``n`` images.

    Raises:
        DataError: if an image has two classes and ``split.on_conflict`` is "error".
    """
    rows, codes, first = votes.rows, votes.codes, np.full(n, -1, np.int64)
    first[rows[::-1]] = np.arange(len(rows))[::-1]  # of equal rows, the last assignment counts
    other = np.flatnonzero(codes != codes[first[rows]])
    dropped, at = np.unique(rows[other], return_index=True)
    if len(dropped) and config.on_conflict == "error":
        pairs = [(int(first[row]), int(other[i])) for row, i in zip(dropped[:EXAMPLES], at[:EXAMPLES], strict=True)]
        shown = [" but ".join(f"{votes.names[codes[vote]]!r} ({votes.where(vote)})" for vote in pair) for pair in pairs]
        raise DataError(
            f"{counted(len(dropped), 'image has', 'images have')} two different labels: {examples(shown, len(dropped))}; "
            "fix the labels, or set `split.on_conflict: drop` to treat these images as unlabeled"
        )
    index = np.full(n, NO_LABEL, np.int32)
    index[rows] = codes
    index[dropped] = NO_LABEL
    repeated = int((index[rows] != NO_LABEL).sum()) - int((index != NO_LABEL).sum())
    return _labels(votes.names, index, dropped, {"votes": len(rows), "repeated": repeated, **counts}, Taxonomy())


def _labels(names: list[str], index: I32, dropped: I64, counts: dict[str, int], taxonomy: Taxonomy) -> Labels:
    """Names that no image has left are forgotten, the others sorted."""
    used = sorted(names[code] for code in np.unique(index[index != NO_LABEL]).tolist())
    place = {name: code for code, name in enumerate(used)}
    new = np.array([*(place.get(name, NO_LABEL) for name in names), NO_LABEL], np.int32)  # NO_LABEL, -1, takes the last one
    counts = {**counts, "labeled_images": int((index != NO_LABEL).sum()), "conflicts_dropped": len(dropped)}
    return Labels(used, new[index], dropped, counts, taxonomy)
