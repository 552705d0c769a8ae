"""Stage ``split``: data/images, data/index and labels -> data/splits, metrics/split.json, and new classes into classes.json.

``classes.json`` at the root of the project is the permanent registry of class ids, ``holdout.json`` what val and test keep.
They are under git, and DVC does not delete them before a run, so that a class never loses its id, nor a test set an image.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from ssgan.config import load
from ssgan.data import classes, holdout
from ssgan.data.ingested import examples
from ssgan.data.split_summary import SplitSummary
from ssgan.data.splits import split

DATA, DUPLICATES, OUT = Path("data"), Path("data/duplicates.parquet"), Path("data/splits")
REGISTRY, METRICS = Path("classes.json"), Path("metrics/split.json")


def run() -> None:
    """Read params.yaml, split, write the metrics and say what happened."""
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what it has freed: a tenth of the peak
    summary = split(DATA, OUT, load().split, DUPLICATES, Path())
    classes.save(REGISTRY, summary.registry)
    holdout.save(Path(holdout.FILE), summary.holdout)
    METRICS.parent.mkdir(exist_ok=True)
    METRICS.write_text(json.dumps(summary.metrics(), indent=2) + "\n")
    print(describe(summary))


def describe(summary: SplitSummary) -> str:
    """A table of the sets, and everything that was moved, left out or deserves a look."""
    near, labels = summary.near_duplicates, summary.labels
    lines = [f"{'set':<10}{'images':>9}  smallest and largest class"]
    for name, one in summary.sets.items():
        per_class = [n for name, n in (one.classes or {}).items() if name not in summary.retired_classes]
        spread = f"{min(per_class)} to {max(per_class)}" if per_class else "no labels stored"
        lines.append(f"{name:<10}{one.images:>9}  {spread}")
    notes = {
        "new classes": examples(summary.new_classes),
        "WARNING: one class in several spellings": "; ".join(" = ".join(names) for names in classes.similar(summary.classes)),
        "retired classes (merged into others)": examples(summary.retired_classes),
        "classes without a labeled image": examples(summary.classes_without_label),
        "classes without a test image": examples(summary.classes_without_test),
        "labeled images that are in the unlabeled set too": summary.labeled_in_unlabeled,
        "images without a label that wait for val or test": sum(summary.reserved.values()),
        "near-duplicates of test images, left out of training (leaks)": summary.leak_removed,
        "images in both official train and official test (leaks)": summary.official_overlap,
        "images that follow a near-duplicate to val or test": sum(summary.moved.values()),
        "groups of near-duplicates with different labels": near["conflicting_groups"],
        "labels for unknown images": labels.get("unknown_images", 0),
        "labels for removed images, left out": labels.get("removed_images", 0),
        "images whose labels contradict each other, left unlabeled": labels["conflicts_dropped"],
        "WARNING: images not compared with all that look like them": near["images_cut_short"],
    }
    return "\n".join([*lines, *(f"{text}: {value}" for text, value in notes.items() if value)])
