"""The actions of a session, one line each, on disk before the page gets its reply.

At the end, or when the next session finds it after a crash, a journal becomes a batch of the ledger and goes away. Writing the
batch twice changes nothing, so there is no moment in which a crash loses or doubles a label.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import suppress
from typing import Literal, NamedTuple

from ssgan.errors import DataError
from ssgan.ledger import Ledger, Vote

FOLDER = "journal"  # within the ledger


class Act(NamedTuple):
    """One thing that was done. label: empty for a skip; an undo takes back the newest act that still stands."""

    do: Literal["label", "skip", "undo"]
    image: str
    label: str
    time: str


class Journal:
    """The journal of one annotator, open for writing by one process.

    Raises:
        DataError: another process has it open, or it is damaged.
    """

    def __init__(self, ledger: Ledger, annotator: str) -> None:
        self._ledger, self._annotator = ledger, annotator
        self.path = ledger.folder / FOLDER / (re.sub(r"[^\w-]", "_", annotator) + ".jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{annotator} is labeling already: another `ssgan label` has {self.path} open; end that one, or choose "
                "another --annotator"
            ) from None
        self.acts = self._read()

    def _read(self) -> list[Act]:
        """All acts. Half a line at the end is what a crash left of an act that was never acknowledged."""
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        try:
            return [Act(**json.loads(line)) for line in whole.splitlines()]
        except (ValueError, TypeError):
            raise DataError(f"{self.path} is damaged; fix the line that is not JSON, or move the file away") from None

    def add(self, act: Act) -> None:
        """Write one act; it is on disk when this returns. Raises OSError, and then it is not in the journal."""
        line = json.dumps(act._asdict(), ensure_ascii=False).encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(28, "the disk is full", str(self.path))
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(size)
            raise
        self.acts.append(act)

    def standing(self) -> list[Act]:
        """Labels and skips that were not taken back, in order."""
        stack: list[Act] = []
        for act in self.acts:
            if act.do != "undo":
                stack.append(act)
            elif stack:
                stack.pop()
        return stack

    def fold(self, source: str) -> tuple[str, int] | None:
        """Make a batch of the labels and start anew. Returns its id and the number of labels; None: there was no label."""
        votes = [Vote(a.image, a.label, self._annotator, a.time, source) for a in self.standing() if a.do == "label"]
        batch = self._ledger.append(votes) if votes else None
        self._file.truncate(0)
        self.acts = []
        return (batch, len(votes)) if batch else None

    def close(self) -> None:
        """Release it; an empty journal is removed."""
        if not self.acts:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody else's journal is in it
                self.path.parent.rmdir()
        self._file.close()
