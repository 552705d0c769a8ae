"""``split``: images and labels become the labeled, unlabeled, val and test sets.

An image's side is drawn by a hash of its id, so that it does not depend on what else there is (``holdout``);
near-duplicates follow the strictest side of their group (test before val before train). Both only ever move an image towards
test when data is added, never back: numbers of last month and of today are measured on the same images, and none of them was
trained on.

Where the source has an official test set, that set is kept as it is: near-duplicates of it leave train and val for good
(``leak_removed``) instead of joining it.

* ``benchmark``: every image has a label; ``num_labels`` of the training images keep it. All training images are in the
  unlabeled set, the labeled ones too: the convention of Salimans et al. (2016, arXiv:1606.03498), and the one overlap of sets.
* ``team``: all labels count. Images without a label whose hash says val or test are *reserved*: no set has them until
  their label comes, since an image that was trained on must not be tested on later.

Letters: N images, K classes. A row is the position of an image in ``IngestedImages``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import SplitConfig
from ssgan.data import classes, holdout, schema, tombstones
from ssgan.data import duplicates as near
from ssgan.data.classes import ClassRegistry
from ssgan.data.duplicates import DuplicateGroups
from ssgan.data.holdout import Holdout, Mask
from ssgan.data.ingested import OFFICIAL_TEST, OFFICIAL_TRAIN, Copies, IngestedImages, examples, load_images
from ssgan.data.labels import NO_LABEL, Labels, collect
from ssgan.data.split_files import load_copies, replacing, write_labeled, write_reserved, write_rows
from ssgan.data.split_summary import REMOVED, TEST, TRAIN, VAL, SplitPlan, SplitSummary, summarize, verify
from ssgan.data.store import I64
from ssgan.data.tombstones import Removed
from ssgan.errors import ConfigError, DataError
from ssgan.wording import counted

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]


def split(data: Path, out_dir: Path, config: SplitConfig, duplicates: Path | None, previous: Path | None) -> SplitSummary:
    """Write the four sets and ``reserved.parquet``, ``split.json`` and ``classes.json`` into ``out_dir``; no pixel is copied.

    The same input gives the same bytes. ``out_dir`` is replaced in one step, or left as it was if anything goes wrong.

    Args:
        data: the folder with the ``images/`` and ``index/`` of ``ingest``.
        duplicates: ``duplicates.parquet`` of ``ingest``; None: no file came twice.
        previous: the folder with what splits before have fixed, ``classes.json`` and ``holdout.json``, and with
            ``removed.csv``; without them (or None), classes get their ids now. They are only read.

    Raises:
        DataError: labels, classes or images are not what the policies of the config allow.
        ConfigError: ``num_labels`` does not fit the number of classes.
    """
    known = classes.load(previous and previous / "classes.json")
    before = holdout.load(previous and previous / holdout.FILE)
    images = load_images(Path(data))
    removed = tombstones.removed(previous / tombstones.FILE) if previous else Removed()
    copies = Copies(images, load_copies(duplicates))
    plan = make_plan(images, collect(images, copies, removed, config, known.names), copies, known, before, config)
    ids = images.ids()
    about = (images.spec, plan.registry.names, images.store.describe())
    with replacing(Path(out_dir)) as out:
        for name, rows in plan.rows.items():
            path = out / f"{name}.parquet"
            if name == "unlabeled":
                write_rows(path, schema.unlabeled_schema(*about), np.sort(images.position[rows]))
            else:
                write_labeled(path, schema.labeled_schema(*about), images, ids, rows, plan.class_ids)
        write_reserved(out / f"{schema.RESERVED}.parquet", images, {"val": plan.reserved(VAL), "test": plan.reserved(TEST)})
        summary = summarize(ids, plan, config)
        verify(out, images, ids, plan, summary)
        (out / "classes.json").write_text(classes.to_json(plan.registry), encoding="utf-8")
        (out / "split.json").write_text(summary.to_json(), encoding="utf-8")
    return summary


def make_plan(
    images: IngestedImages, labels: Labels, copies: Copies, known: ClassRegistry, before: Holdout, config: SplitConfig
) -> SplitPlan:
    """Decide on every image; nothing is written. Raises like ``split``."""
    registry = known.grown(labels.names, labels.taxonomy)
    ids = np.array([registry.names.index(name) for name in labels.names] + [NO_LABEL], np.int32)
    class_ids = ids[labels.index]  # an index of NO_LABEL, -1, takes the last one
    after, masks = holdout.settle(before, not known.names, images, class_ids != NO_LABEL, config)
    sides = find_sides(images, copies, masks, config)
    if config.mode == "benchmark":
        _require_all_labeled(images, labels)
    rows = choose(images, sides, class_ids, registry, config)
    _require_every_class(rows["labeled"], sides, class_ids, registry, config)
    official = (sides.overlap, sides.official_test)
    return SplitPlan(registry, known, after, labels, class_ids, *official, sides.found, sides.own, sides.side, rows)


class Sides(NamedTuple):
    """Where N images belong, whatever their labels are. own, side: (N,) without and with their near-duplicates."""

    own: I8
    side: I8
    found: DuplicateGroups
    overlap: int
    official_test: bool


def find_sides(images: IngestedImages, copies: Copies, masks: dict[str, Mask], config: SplitConfig) -> Sides:
    """The side of every image; ``masks``: (N,) those that val and test keep. It is known before the first label."""
    official = images.official.copy()
    np.bitwise_or.at(official, copies.rows, copies.official)
    # "test" if any copy of the file lies in test, so that the official test set stays complete
    has_test = bool((official & OFFICIAL_TEST).any())
    is_test = (official & OFFICIAL_TEST) > 0 if has_test else masks["test"]
    own = np.where(is_test, TEST, np.where(masks["val"], VAL, TRAIN)).astype(np.int8)
    found = near.find(images.signatures(), images, config.near_duplicate_bits, config.near_duplicate_rmse)
    overlap = int((official == OFFICIAL_TRAIN | OFFICIAL_TEST).sum())
    return Sides(own, group_sides(own, found.group, has_test), found, overlap, has_test)


def group_sides(own: I8, group: I32, keep_test: bool) -> I8:
    """(N,) sides after near-duplicates came together: the strictest of the group.

    Args:
        group: (N,) number of the group of each image.
        keep_test: nothing may join test; what is as good as in test is REMOVED instead.
    """
    strictest = own.copy()
    np.maximum.at(strictest, group, own)
    side = strictest[group]
    if keep_test:
        side[(side == TEST) & (own != TEST)] = REMOVED
    return side


def choose(
    images: IngestedImages, sides: Sides, class_ids: I32, registry: ClassRegistry, config: SplitConfig
) -> dict[str, I64]:
    """Rows of each set, ascending. Raises DataError, ConfigError where a set cannot be made."""
    side, labeled = sides.side, class_ids != NO_LABEL
    if not labeled.any():
        raise DataError(
            "no image has a label; name a label file in `split.labels`, put images into class folders, or begin with none: "
            "`dvc repro features`, `ssgan next --clusters 20`, `ssgan label`"
        )
    if len(registry.names) - len(registry.retired) < 2:
        raise DataError(
            f"only {registry.names[0]!r} is used, by {counted(int(labeled.sum()), 'label')}, and there is no other class to "
            "tell it from; label images of another class too"
        )
    if config.mode == "benchmark":
        rows = {"labeled": draw_labels(images, (side == TRAIN) & labeled, class_ids, registry, config)}
        rows["unlabeled"] = np.flatnonzero(side == TRAIN)
    else:
        rows = {"labeled": np.flatnonzero((side == TRAIN) & labeled), "unlabeled": np.flatnonzero((side == TRAIN) & ~labeled)}
    rows["val"] = np.flatnonzero((side == VAL) & labeled)
    rows["test"] = np.flatnonzero((side == TEST) & labeled)
    for name in ("labeled", "unlabeled", "test"):
        if not len(rows[name]):
            taken = _taken_along(sides, labeled) if name == "labeled" else ""
            raise DataError(f"the {name} set is empty: {taken or _REMEDIES[name]}")
    return rows


_REMEDIES = {
    "labeled": "all labels fell into val and test; add labels, or lower `split.val_fraction` and `split.test_fraction`",
    "unlabeled": "every training image has a label; add images without labels, or set `split.mode: benchmark`",
    "test": "no labeled image fell into it; label some (the queue of `ssgan next` holds images for it), or raise "
    "`split.test_fraction` (before the first training)",
}


def _require_all_labeled(images: IngestedImages, labels: Labels) -> None:
    """Raise DataError if images lack a label for another reason than a conflict that was dropped on request."""
    missing = np.setdiff1d(np.flatnonzero(labels.index == NO_LABEL), labels.dropped)
    if len(missing):
        raise DataError(
            f"split.mode is benchmark, but {counted(len(missing), 'image has', 'images have')} no label: "
            f"{images.examples(missing)}; label them, or set "
            "`split.mode: team`"
        )


def draw_labels(
    images: IngestedImages, allowed: npt.NDArray[np.bool_], class_ids: I32, registry: ClassRegistry, config: SplitConfig
) -> I64:
    """Rows of ``num_labels`` images, as many of each class as possible, out of ``allowed`` (N,).

    Drawn with NumPy's PCG64 under ``split_seed``. Budgets are nested: the draw of 40 contains the draw of 20.
    """
    present = sorted(set(class_ids[class_ids != NO_LABEL].tolist()), key=lambda c: registry.first[c])
    if config.num_labels < len(present):
        raise ConfigError(
            f"split.num_labels is {config.num_labels}, less than the {counted(len(present), 'class')}; raise it to "
            f"{len(present)} or more"
        )
    rank = np.random.default_rng([config.split_seed]).permutation(len(present))  # who gets the remainder first
    each, rest = divmod(config.num_labels, len(present))
    chosen = []
    for c, place in zip(present, rank.tolist(), strict=True):
        rows, quota = np.flatnonzero(allowed & (class_ids == c)), each + (place < rest)
        if len(rows) < quota:
            raise DataError(
                f"class {registry.names[c]!r} has {counted(len(rows), 'training image')}, but `split.num_labels: "
                f"{config.num_labels}` takes {quota} of it; lower `split.num_labels` or add images of this class"
            )
        # the seed depends on the first name of the class, not on its id: neither other classes nor a renaming change the draw
        seed = int.from_bytes(hashlib.sha256(registry.first[c].encode()).digest()[:8], "big")
        chosen.append(np.random.default_rng([config.split_seed, seed]).permutation(rows)[:quota])
    return np.sort(np.concatenate(chosen))


def _taken_along(sides: Sides, labeled: Mask) -> str:
    """That most of some labeled images follow near-duplicates out of training, and what to do; empty where they do not."""
    moved, count = int((labeled & (sides.side != sides.own)).sum()), int(labeled.sum())
    if 2 * moved <= count:
        return ""
    return (
        f"{moved} of {counted(count, 'labeled image follows', 'labeled images follow')} near-duplicates to val or test "
        "(the largest group of similar images has "
        f"{sides.found.counts['largest_group']}); if they are different things before one camera, lower "
        "`split.near_duplicate_rmse` and `split.near_duplicate_bits` (0 and 0: equal pixels only)"
    )


def _require_every_class(rows: I64, sides: Sides, class_ids: I32, registry: ClassRegistry, config: SplitConfig) -> None:
    """Raise DataError if a class of the registry, not a retired one, has no labeled image and the policy is "error"."""
    present = set(class_ids[rows].tolist())
    missing = [c for c, name in enumerate(registry.names) if c not in present and name not in registry.retired]
    if missing and config.on_class_without_label == "error":
        taken = _taken_along(sides, np.isin(class_ids, missing))
        remedy = (
            "label some, or set `split.on_class_without_label: report` (a project that starts anew with other classes: delete "
            "classes.json)"
        )
        raise DataError(
            f"{counted(len(missing), 'class of classes.json has', 'classes of classes.json have')} no labeled training image: "
            f"{examples([registry.names[c] for c in missing])}; {taken or remedy}"
        )
