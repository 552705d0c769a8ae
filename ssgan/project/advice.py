"""What a new project should begin with, by looking at its images: pixels or features, which method, how large, how long.

What is said of methods is what our own tables say (docs/results): on photos a linear classifier on features of a pretrained
backbone has a tenth of the errors of a network that learns from pixels; on small or gray images that look like nothing a
backbone has seen, ``teacher_gan`` on pixels is far ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

from ssgan.config import DataConfig, ImageSpec
from ssgan.data.decode import DecodeLimits, decode_info
from ssgan.data.rejections import Rejected
from ssgan.data.sources import ImageSource, Item
from ssgan.wording import counted

LISTED = 200_000  # files; there may be more, and a new project should not wait for a listing of millions
SAMPLED = 100
PHOTO_SIDE = 64  # pixels: images whose shorter side is at least that, in color, count as photos
MANY = 1000  # images without a label from which on learning from pixels is worth its time
GRAY = ("1", "L", "LA", "I;16", "I")
SIDES = (28, 32, 64)  # that the family `compact` takes


@dataclass(frozen=True)
class Seen:
    """What a look at a source found. ``listed``: files, at most LISTED; ``labeled``: those in a class folder."""

    listed: int
    labeled: int
    classes: int
    side: float  # median of the shorter side, pixels
    gray: bool  # most of them

    @property
    def photos(self) -> bool:
        return self.side >= PHOTO_SIDE and not self.gray

    def describe(self) -> str:
        """One line."""
        more = " or more" if self.listed == LISTED else ""
        folders = f"{self.classes} class folder{'s' * (self.classes != 1)}"
        labeled = f"{self.labeled:,} of them in {folders}" if self.labeled else "none of them in a class folder"
        kind = "gray" if self.gray else "color"
        return f"{counted(self.listed, 'file')}{more}, {labeled}; {kind}, the shorter side about {self.side:.0f} pixels"


def look(source: ImageSource) -> Seen | None:
    """List a source and decode some of its files; None where there is no image yet. Raises DataError, StorageError."""
    items = list(islice(source.items(), LISTED))
    headers = [header for item in _spread(items, SAMPLED) if (header := _header(source, item))]
    if not headers:
        return None
    labeled = [item.folder_class for item in items if item.folder_class is not None]
    gray = Counter(mode in GRAY for _, _, mode in headers)
    return Seen(len(items), len(labeled), len(set(labeled)), median(min(h, w) for h, w, _ in headers), gray[True] > gray[False])


def _spread(items: Sequence[Item], count: int) -> Sequence[Item]:
    """Items at even distances."""
    return items[:: max(1, len(items) // count)][:count]


def _header(source: ImageSource, item: Item) -> tuple[int, int, str] | None:
    """Height, width and mode of a file; None where it is no image."""
    limits = DecodeLimits.of(DataConfig())
    try:
        if item.problem:
            return None
        found = decode_info(source.read(item, limits.max_file_bytes), ImageSpec(3, 8, "fit"), limits)
    except Rejected:
        return None
    return found.header.height, found.header.width, found.header.mode


@dataclass(frozen=True)
class Advice:
    """Sections of params.yaml to begin with, and why, in two lines."""

    sections: dict[str, dict[str, Any]]
    why: list[str]


def advise(seen: Seen | None) -> Advice:
    """What to begin with."""
    if seen is None or seen.photos:
        found = seen.describe() if seen else "no image is there yet"
        return Advice(ON_FEATURES, [f"seen: {found}", f"so: {'photos' if seen else 'as for photos'}; {WHY_FEATURES}"])
    unlabeled = seen.listed - seen.labeled
    side = next((side for side in SIDES if side >= seen.side), SIDES[-1])
    if seen.gray or unlabeled >= MANY:
        return Advice(on_pixels(side, 1 if seen.gray else 3), [f"seen: {seen.describe()}", f"so: {WHY_PIXELS}"])
    return Advice(ON_FEATURES, [f"seen: {seen.describe()}", f"so: small, but few without a label; {WHY_FEATURES}"])


WHY_FEATURES = "features of a pretrained backbone; the best of probe, label spreading and self-training by folds of the labels"
WHY_PIXELS = "small or gray images, unlike what backbones have seen: a network that learns from pixels, method teacher_gan"

ON_FEATURES: dict[str, dict[str, Any]] = {
    "data": {"image_size": 64, "channels": 3, "resize": "crop"},
    "features": {"backbone": "efficientnet_lite0"},
    "method": {"name": "auto", "options": {}},
    "net": {"family": "head"},
    "train": {"steps": 2000, "val_every": 500, "checkpoint_every": 500},
}


def on_pixels(side: int, channels: int) -> dict[str, dict[str, Any]]:
    """``teacher_gan`` for small images."""
    return {
        "data": {"image_size": side, "channels": channels, "resize": "fit"},
        "method": {"name": "teacher_gan", "options": {"lr_tail": 0.33, "augment": True}},
        "net": {"family": "compact", "width": 0.5, "noise": 0.3},
        "augment": {"shift_px": 2, "rotate_degrees": 10.0, "scale": 0.1},
        "train": {"steps": 6000, "precision": "auto", "val_every": 500, "checkpoint_every": 500},
    }
