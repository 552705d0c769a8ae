"""What val and test keep for themselves: as many images as are needed, where ``split.val_target`` or ``test_target`` says so.

Without targets, a set takes a share of all images, by a hash of their ids alone, and those without a label wait. With a target,
the share is the smallest that holds so many images, and it only ever shrinks: as images come in, those without a label that
wait beyond it go to training. An image whose label was there in time stays in its set: it is *kept*. So whatever lies beyond
the share and is not kept may have been trained on, and never joins val or test again, whatever becomes of labels and targets.

That takes a memory: ``holdout.json``, beside classes.json at the root of the project, under git, and outside of everything that
DVC deletes before a run. Letters: N images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan import atomic
from ssgan.config import SplitConfig
from ssgan.data.ingested import IngestedImages
from ssgan.errors import DataError

FILE, VERSION = "holdout.json", 1
SETS = ("val", "test")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reserve:
    """Of one set. share: of the range of draws, in [0, 1]. kept: ids of labeled images beyond it, from when it was larger."""

    share: float
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Holdout:
    """sets: what val and test keep; empty: nothing was split yet. fixed: there was a target, so that shares only shrink."""

    fixed: bool = False
    sets: dict[str, Reserve] = field(default_factory=dict)


def load(path: Path | None) -> Holdout:
    """The memory; empty where there is none yet. Raises DataError where the file is not one."""
    if path is None or not path.exists():
        return Holdout()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] == VERSION:
            sets = {name: Reserve(float(raw[name]["share"]), frozenset(raw[name]["kept"])) for name in SETS}
            return Holdout(bool(raw["fixed"]), sets)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path} is not what `ssgan split` wrote; restore it from git, or no test image is safe from training")


def save(path: Path, holdout: Holdout) -> None:
    """Replace the file, if anything differs."""
    raw: dict[str, Any] = {name: {"share": one.share, "kept": sorted(one.kept)} for name, one in holdout.sets.items()}
    text = json.dumps({"version": VERSION, "fixed": holdout.fixed, **raw}, indent=1) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic.write_text(path, text)


def settle(
    before: Holdout, first: bool, images: IngestedImages, labeled: Mask, config: SplitConfig
) -> tuple[Holdout, dict[str, Mask]]:
    """What val and test keep of N images, and (N,) which those are.

    Args:
        first: nothing was ever trained on; else what a fraction gave to a set is its own.
        labeled: (N,) whether an image has a label.
    """
    fraction = (images.draw >> np.uint64(11)).astype(np.float64) / (1 << 53)  # exact, below 1
    # From two ends, so that another share of test moves no image between train and val.
    wanted = {"val": (config.val_fraction, config.val_target), "test": (config.test_fraction, config.test_target)}
    if not before.fixed and not any(target for _, target in wanted.values()):
        masks = {"val": fraction >= 1 - config.val_fraction, "test": fraction < config.test_fraction}
        return Holdout(False, {name: Reserve(share) for name, (share, _) in wanted.items()}), masks
    after, masks = {}, {}
    for name, place in (("val", 1 - fraction), ("test", fraction)):  # in (0, 1], exact; in [0, 1)
        share, target = wanted[name]
        enough = target and target <= len(place)
        least = float(np.partition(place, target - 1)[target - 1]) if target and enough else 1.0
        old = before.sets.get(name, Reserve(min(share, least) if first else share))
        after[name], masks[name] = _tightened(old, min(share, least), place, images, labeled)
    return Holdout(True, after), masks


def _tightened(
    old: Reserve, wish: float, place: npt.NDArray[np.float64], images: IngestedImages, labeled: Mask
) -> tuple[Reserve, Mask]:
    """``place``: (N,) how far each draw is from the end that the set takes."""
    share, known = min(old.share, wish), images.rows_of_ids(old.kept)
    was = place <= old.share
    was[list(known.values())] = True
    mask = (place <= share) | (was & labeled)
    kept = (one.hex() for one in images.values(np.flatnonzero(mask & (place > share)), "id"))
    return Reserve(share, frozenset(kept) | (old.kept - known.keys())), mask
