"""What an ingest says about itself: ``metrics/ingest.json``, and what this run had to do for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ssgan.data.conspicuous import Conspicuous
from ssgan.wording import counted


@dataclass
class IngestSummary:
    """What became of every file: ``seen`` = ``accepted`` + all of ``rejected`` + ``duplicates`` + ``removed``."""

    source: str
    classes: list[str]
    notes: list[str] = field(default_factory=list)
    seen: int = 0
    accepted: int = 0
    duplicates: int = 0  # files whose bytes equal those of an earlier file
    removed: int = 0  # files whose bytes stand in the list of removed images
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    bytes: int = 0  # of all files that can be read
    duplicates_across_classes: int = 0  # files whose kept copy lies in another class folder
    duplicates_across_splits: int = 0  # files whose kept copy lies on the other side of the official split
    pictures: Conspicuous = field(default_factory=Conspicuous)
    # the work of this run; not metrics, since it depends on the runs before
    read: int = 0
    decoded: int = 0
    shards: int = 0
    shards_kept: int = 0  # files that are the same as before

    def metrics(self) -> dict[str, Any]:
        """For ``metrics/ingest.json``: counts only, so that the same files give the same text."""
        return {
            "seen": self.seen,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "duplicates_across_classes": self.duplicates_across_classes,
            "duplicates_across_splits": self.duplicates_across_splits,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "removed": self.removed,
            **self.pictures.metrics(),
            "bytes": self.bytes,
            "classes": len(self.classes),
        }

    def check(self) -> None:
        """Raise AssertionError where a file was lost."""
        found = self.accepted + self.rejected.total() + self.duplicates + self.removed
        if self.seen != found:
            raise AssertionError(f"{counted(self.seen, 'file')} seen, but {found} accounted for")

    def describe(self, seconds: float, deep_bits: int | None = None) -> str:
        """A few lines for people; what this run had to do stands here, as metrics must not change from run to run.

        ``deep_bits``: `data.deep_bits`.
        """
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none"
        crossing = f"{self.duplicates_across_classes} across classes, {self.duplicates_across_splits} across splits"
        removed = f" + {self.removed} removed" if self.removed else ""
        notes = self.pictures.notes(deep_bits)
        if self.rejected["damaged"]:
            notes.append(
                f"{counted(self.rejected['damaged'], 'damaged file decodes', 'damaged files decode')}; data.damaged: "
                "accept takes them"
            )
        return (
            f"ingest: {self.source}; {' '.join(self.notes)}\n"
            f"  {counted(self.seen, 'file')} seen = {self.accepted} accepted + {self.rejected.total()} rejected ({reasons})"
            f" + {counted(self.duplicates, 'duplicate')} ({crossing}){removed}\n"
            f"  {counted(self.read, 'file')} read, {counted(self.decoded, 'image')} decoded, {self.shards_kept} of "
            f"{counted(self.shards, 'shard')} unchanged,"
            f" {self.seen / seconds:,.0f} files/s" + "".join(f"\n  note: {note}" for note in notes)
        )
