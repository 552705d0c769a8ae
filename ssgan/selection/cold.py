"""Which images to label where no model can choose yet: typical ones of each cluster, and random ones for val and test.

No split has to be there: the side of an image depends on the images alone (``ssgan.data.splits``), and none that belongs to val
or test is in a cluster. Letters: N images, P numbers of a vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import SplitConfig
from ssgan.data import classes, holdout
from ssgan.data.digests import as_hex
from ssgan.data.files import Features, SplitFiles
from ssgan.data.ingested import NO_CLASS, Copies, load_images
from ssgan.data.split_files import load_copies
from ssgan.data.split_summary import TEST, TRAIN, VAL
from ssgan.data.splits import find_sides
from ssgan.errors import DataError
from ssgan.features.space import in_own_space
from ssgan.selection.choose import Pick, Selection, SelectionRules, held_out, in_queue
from ssgan.selection.clusters import MOST_CLUSTERS, cluster, typical_first
from ssgan.selection.pool import PoolSummary
from ssgan.selection.scoring import F32, I64
from ssgan.wording import counted

Flags = npt.NDArray[np.bool_]


class Pool(NamedTuple):
    """Ids of images that training may see, with the number of the near-duplicate group of each; ids of those reserved for val
    and test; and ids, of both, that lie in class folders, where these are the labels."""

    ids: list[str]
    group: I64
    reserved: list[str]
    in_folders: set[str]


def read_pool(data: Path, config: SplitConfig) -> Pool:
    """The images of ``data`` (images, index, duplicates.parquet) by the side on which a split puts them. Raises DataError."""
    images, project = load_images(data), data.parent
    before, first = holdout.load(project / holdout.FILE), not classes.load(project / "classes.json").names
    labeled = np.zeros(len(images), np.bool_)  # those that are will not be picked anyway
    _, masks = holdout.settle(before, first, images, labeled, config)
    sides = find_sides(images, Copies(images, load_copies(data / "duplicates.parquet")), masks, config)
    ids, train, held = images.ids(), sides.side == TRAIN, np.isin(sides.side, (VAL, TEST))
    named = set() if config.labels else set(as_hex(ids[images.folder != NO_CLASS]))
    return Pool(as_hex(ids[train]), sides.found.group[train].astype(np.int64), as_hex(ids[held]), named)


def labeled_by_split(splits: Path) -> set[str]:
    """Ids of the images that have a label in the last split; none where there was no split yet."""
    if not (splits / "split.json").exists():
        return set()
    files = SplitFiles(str(splits))
    return {image for name in ("labeled", "val", "test") for image in files.ids(name)}


def select_typical(
    pool: Pool, features: Features, dimensions: int, labeled: Collection[str], rules: SelectionRules
) -> Selection:
    """The most typical images of each cluster, round by round, and images for val and test. The same input, the same picks.

    Args:
        dimensions: of the space in which images are clustered (features.dimensions).
        labeled: ids of images that have a label already: they and their near-duplicates are left out.

    Raises:
        DataError: no image without a label is left, or some have no features.
    """
    is_labeled = np.isin(pool.ids, list(labeled)) if labeled else np.zeros(len(pool.ids), bool)
    free = [image for image, known in zip(pool.ids, is_labeled.tolist(), strict=True) if not known]
    wanted = min(rules.shares.typical, len(free) // 2)  # the others stay unlabeled: methods learn from these too
    if not wanted:
        raise DataError(f"{counted(len(free), 'image')} without a label can be trained on: too few to choose from; add images")
    vectors = in_own_space(features.read(pool.ids, 1)[:, 0], dimensions)
    number = cluster(vectors, min(rules.clusters or wanted, MOST_CLUSTERS), rules.seed)
    waiting = [image for image in pool.reserved if image not in labeled]
    typical = most_typical(pool, vectors, number, is_labeled, wanted)
    if rules.clusters is None:  # a cluster for each image: there is no sheet to show
        typical = [pick._replace(cluster=None) for pick in typical]
    slices = [typical, held_out(waiting, rules)]
    ids = "".join(f"{image}\n" for image in free)
    return Selection(in_queue(slices), PoolSummary(len(free), hashlib.sha256(ids.encode()).hexdigest(), frozenset()), 0)


def most_typical(pool: Pool, vectors: F32, number: I64, labeled: Flags, wanted: int) -> list[Pick]:
    """Up to ``wanted`` picks, one of every cluster in each round, near-duplicates once."""
    taken, order = set(pool.group[labeled].tolist()), clusters_in_order(number, labeled)
    sizes = np.bincount(number)
    columns = [_candidates(pool.group, vectors, np.flatnonzero(number == one)) for one in order]
    picks: list[Pick] = []
    for place in range(1, len(vectors) + 1):
        before = len(picks)
        for rank, column in enumerate(columns, 1):
            found = next((one for one in column if int(pool.group[one[0]]) not in taken), None)
            if found and len(picks) < wanted:
                taken.add(int(pool.group[found[0]]))
                reason = f"typical of cluster {rank} ({counted(sizes[order[rank - 1]], 'image')}), place {place}"
                picks.append(Pick(pool.ids[found[0]], "typical", reason, found[1], None, None, 0, rank))
        if len(picks) in (before, wanted):
            break
    return picks


def clusters_in_order(number: I64, labeled: Flags) -> list[int]:
    """Clusters with the fewest labels first, of these the largest first."""
    sizes, known = np.bincount(number), np.bincount(number[labeled], minlength=number.max() + 1)
    return sorted(range(len(sizes)), key=lambda one: (known[one], -sizes[one], one))


def _candidates(group: I64, vectors: F32, rows: I64) -> Iterator[tuple[int, float]]:
    """Rows of one cluster with their scores, the most typical first; of every group of near-duplicates one.

    They are collapsed before, or a burst of photos would look typical: its images are close neighbors of each other.
    """
    _, first = np.unique(group[rows], return_index=True)
    order, score = typical_first(vectors, rows[np.sort(first)])
    return zip(order.tolist(), score.tolist(), strict=True)
