"""What is shown at once: one image, or a sheet of images of one cluster."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

LARGEST = 24  # images of a sheet: more are too small to see what does not belong


class Item(NamedTuple):
    """One image, or the images of a sheet. sheet: its number from 1; 0: a single image."""

    images: tuple[str, ...]
    sheet: int = 0


def items_of(queue: Mapping[str, str], done: Set[str]) -> list[Item]:
    """Sheets first, for they give the classes their names, then single images, both in the order of the queue.

    A sheet of which something is labeled already is none any more: what was taken out of it comes one by one.

    Args:
        queue: image -> cluster; "": none.
    """
    clusters: dict[str, list[str]] = {}
    for image, cluster in queue.items():
        clusters.setdefault(cluster, []).append(image)
    parts = [part for name, images in clusters.items() if name for part in _parts(images)]
    sheets = [part for part in parts if len(part) > 1 and not done & set(part)]
    shown = {image for part in sheets for image in part} | done
    singles = [Item((image,)) for image in queue if image not in shown]
    return [*(Item(tuple(part), number) for number, part in enumerate(sheets, 1)), *singles]


def _parts(images: list[str]) -> list[list[str]]:
    """As few sheets as possible, of about equal size."""
    count = -(-len(images) // LARGEST)
    return [images[len(images) * i // count : len(images) * (i + 1) // count] for i in range(count)]
