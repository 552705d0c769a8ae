"""The counts of ``ingest`` and ``split`` in words."""

from __future__ import annotations

from typing import Any

from ssgan.report.story import flat, number, words

INGEST = {
    "seen": "Files seen",
    "accepted": "Accepted: images of the project",
    "duplicates": "Left out: the same bytes as another file",
    "duplicates_across_classes": "… of them from the folder of another class",
    "duplicates_across_splits": "… of them in official training and official test",
    "rejected": "Rejected: not to be read as images",
    "removed": "Taken out for good by ssgan remove",
    "bytes": "Bytes of all files that can be read",
    "classes": "Class folders",
}
SPLIT = {
    "images": "Images",
    "labeled": "Labeled: training sees image and label",
    "unlabeled": "Unlabeled: training sees the image alone",
    "val": "Validation: curves, temperature and threshold",
    "test": "Test: the numbers of this page, judged once",
    "classes": "Classes",
    "reserved": "Wait for a label, to join validation or test",
    "leak_removed": "Left out of training: near-duplicates of test images",
    "moved": "Moved to validation or test, to stay with a near-duplicate",
    "near_duplicate_groups": "Groups of near-duplicates",
    "near_duplicate_groups_with_several_labels": "… whose labels differ",
}


def rows(counts: dict[str, Any] | None, titles: dict[str, str]) -> list[tuple[str, str]]:
    """(what, how many) for people; empty where a stage left no counts."""
    leaves = [(key, value) for key, value in flat(counts or {}) if value not in ({}, None)]
    return [(_title(key, titles), number(value) if isinstance(value, int) else str(value)) for key, value in leaves if key]


def _title(key: str, titles: dict[str, str]) -> str:
    parent, _, reason = key.partition(".")
    if parent == "rejected_by_reason":
        return f"… {words(reason)}"
    return titles.get(key, words(key))
