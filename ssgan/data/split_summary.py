"""What a split says about itself: ``split.json``, and the checks that run on the written files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.config import SplitConfig
from ssgan.data import schema
from ssgan.data.classes import ClassRegistry
from ssgan.data.digests import Digests, inverse, sorted_ids_sha256
from ssgan.data.duplicates import DuplicateGroups
from ssgan.data.files import SplitFiles
from ssgan.data.holdout import Holdout
from ssgan.data.ingested import IngestedImages
from ssgan.data.labels import NO_LABEL, Labels
from ssgan.data.store import I64
from ssgan.errors import DataError
from ssgan.wording import counted

TRAIN, VAL, TEST, REMOVED = range(4)  # sides; REMOVED: near-duplicates of official test images

UNLABELED_RULE = {
    "benchmark": "all training images, the labeled ones too (Salimans et al., 2016); no label is stored with them",
    "team": "training images without a label",
}


@dataclass(frozen=True)
class SetSummary:
    """One set. classes: images of each class, zeros included; None for the unlabeled set."""

    images: int
    ids_sha256: str
    classes: dict[str, int] | None


@dataclass(frozen=True)
class SplitSummary:
    """``split.json``.

    Every image is in one place: images = labeled + unlabeled - labeled_in_unlabeled + val + test + reserved + leak_removed.
    """

    schema_version: int
    config: dict[str, Any]  # the `split` section
    classes: list[str]  # positions are ids
    retired_classes: list[str]  # merged into others; no image has them
    new_classes: list[str]  # not in split.json: the first run and the next one would differ
    registry: ClassRegistry  # in classes.json, not in split.json
    holdout: Holdout  # in holdout.json, not in split.json
    classes_without_label: list[str]  # no labeled training image
    classes_without_test: list[str]
    images: int
    sets: dict[str, SetSummary]
    unlabeled_rule: str
    labeled_in_unlabeled: int
    reserved: dict[str, int]  # images without a label that wait for val or test
    official_test: bool
    official_overlap: int  # images whose bytes lie in official train and official test; they count as test
    leak_removed: int  # near-duplicates of official test images, taken out of train and val
    moved: dict[str, int]  # images that follow a near-duplicate to val or test
    near_duplicates: dict[str, int]
    labels: dict[str, int]

    def to_json(self) -> str:
        """The text of ``split.json``: the same for the same images, labels and config."""
        value = asdict(self)
        del value["new_classes"], value["registry"], value["holdout"]
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

    def metrics(self) -> dict[str, Any]:
        """For ``metrics/split.json``: the numbers that one compares between two runs."""
        return {
            "images": self.images,
            **{name: one.images for name, one in self.sets.items()},
            "classes": len(self.classes) - len(self.retired_classes),
            "reserved": sum(self.reserved.values()),
            "leak_removed": self.leak_removed,
            "moved": sum(self.moved.values()),
            "near_duplicate_groups": self.near_duplicates["groups"],
            "near_duplicate_groups_with_several_labels": self.near_duplicates["conflicting_groups"],
        }


class SplitPlan(NamedTuple):
    """Everything that was decided about N images."""

    registry: ClassRegistry  # classes; positions are ids
    known: ClassRegistry  # the registry before this run
    holdout: Holdout  # what val and test keep from now on
    labels: Labels
    class_ids: npt.NDArray[np.int32]  # (N,) NO_LABEL where there is none
    official_overlap: int
    official_test: bool
    found: DuplicateGroups
    own: npt.NDArray[np.int8]  # (N,) side of an image by itself
    side: npt.NDArray[np.int8]  # (N,) side with its near-duplicates
    rows: dict[str, I64]  # rows of each set, ascending

    def reserved(self, side: int) -> I64:
        """Rows without a label that wait for VAL or TEST."""
        return np.flatnonzero((self.class_ids == NO_LABEL) & (self.side == side))


def summarize(ids: Digests, plan: SplitPlan, config: SplitConfig) -> SplitSummary:
    """Count everything once. ids: (N, 32) of all images."""
    kinds = plan.class_ids[plan.found.pairs]
    conflicting = (kinds[:, 0] != kinds[:, 1]) & (kinds != NO_LABEL).all(axis=1)
    sets = {name: _set(ids, plan, name) for name in schema.SETS}
    moved = plan.side != plan.own
    return SplitSummary(
        schema_version=schema.SCHEMA_VERSION,
        config=config.model_dump(),
        classes=plan.registry.names,
        retired_classes=plan.registry.retired,
        new_classes=plan.registry.names[len(plan.known.names) :],
        registry=plan.registry,
        holdout=plan.holdout,
        classes_without_label=_without(sets["labeled"], plan.registry),
        classes_without_test=_without(sets["test"], plan.registry),
        images=len(ids),
        sets=sets,
        unlabeled_rule=UNLABELED_RULE[config.mode],
        labeled_in_unlabeled=int(np.isin(plan.rows["labeled"], plan.rows["unlabeled"], assume_unique=True).sum()),
        reserved={"val": len(plan.reserved(VAL)), "test": len(plan.reserved(TEST))},
        official_test=plan.official_test,
        official_overlap=plan.official_overlap,
        leak_removed=int((plan.side == REMOVED).sum()),
        moved={"to_val": int((moved & (plan.side == VAL)).sum()), "to_test": int((moved & (plan.side == TEST)).sum())},
        near_duplicates={
            **plan.found.counts,
            "conflicting_pairs": int(conflicting.sum()),
            "conflicting_groups": _conflicting_groups(plan),
        },
        labels=plan.labels.counts,
    )


def _conflicting_groups(plan: SplitPlan) -> int:
    """Groups of near-duplicates whose images have different labels."""
    labeled = plan.class_ids != NO_LABEL
    kinds = np.unique(np.stack([plan.found.group[labeled], plan.class_ids[labeled]]), axis=1)  # (2, distinct)
    return int((np.unique(kinds[0], return_counts=True)[1] > 1).sum())


def _set(ids: Digests, plan: SplitPlan, name: str) -> SetSummary:
    rows = plan.rows[name]
    counts = None
    if name != "unlabeled":
        numbers = np.bincount(plan.class_ids[rows], minlength=len(plan.registry.names)).tolist()
        counts = dict(zip(plan.registry.names, numbers, strict=True))
    return SetSummary(len(rows), sorted_ids_sha256(ids, rows), counts)


def _without(one: SetSummary, registry: ClassRegistry) -> list[str]:
    """Classes in use that have no image in a set."""
    return [name for name, n in (one.classes or {}).items() if n == 0 and name not in registry.retired]


def verify(folder: Path, images: IngestedImages, ids: Digests, plan: SplitPlan, summary: SplitSummary) -> None:
    """Read the sets back from the written files and check them against the plan, the summary and each other.

    Raises:
        DataError: this code or the disk is broken; the files must not be used.
    """
    files, row_of = SplitFiles(folder.as_posix()), inverse(images.position)
    times = np.zeros(len(images), np.int8)  # (N,) how many sets an image is in
    for name in schema.SETS:
        rows = row_of[files.rows(name)]
        _require(np.array_equal(np.sort(rows), plan.rows[name]), f"{name} has other rows on disk than were meant")
        if name != "unlabeled":
            beside = schema.fixed(files.read(name, ["id"], hex_ids=False)["id"])
            _require(np.array_equal(beside, ids[rows]), f"ids of {name} are not those of the rows that they stand beside")
        if (name, summary.config["mode"]) != ("labeled", "benchmark"):
            times[rows] += 1
    _require(times.max() <= 1, f"{counted(int((times > 1).sum()), 'image is', 'images are')} in two sets")
    if summary.config["mode"] == "benchmark":
        outside = int((plan.side[plan.rows["labeled"]] != TRAIN).sum())
        _require(
            not outside and summary.labeled_in_unlabeled == len(plan.rows["labeled"]), "labeled images are not in unlabeled"
        )
    left_out = sum(summary.reserved.values()) + summary.leak_removed
    placed = int(times.sum())
    _require(placed + left_out == summary.images, f"{counted(summary.images, 'image')} came in, {placed} + {left_out} went out")


def _require(holds: bool, found: str) -> None:
    if not holds:
        raise DataError(f"the split is not what it should be ({found}), so it is not used; check the disk and run it again")
