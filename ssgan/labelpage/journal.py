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
from ssgan.ledger.event import Event
from ssgan.ledger.vote import CLUSTER

FOLDER = "journal"  # within the ledger


class Act(NamedTuple):
    """One thing that was done; an undo takes back the newest act that still stands.

    do: a sheet gets one label; apart: its images are shown one by one; aside: the image gets no class. image: the one that was
    due, of a sheet the first. label: of a label or a sheet; of ``aside`` the reason; else empty. images: those of a sheet that
    got its label. new: the label is a class from now on.
    """

    do: Literal["label", "skip", "undo", "sheet", "apart", "aside"]
    image: str
    label: str
    time: str
    images: tuple[str, ...] = ()
    new: bool = False

    @property
    def labeled(self) -> tuple[str, ...]:
        """The images that got a label."""
        return {"label": (self.image,), "sheet": self.images}.get(self.do, ())


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
            acts = [Act(**json.loads(line)) for line in whole.splitlines()]
            return [act._replace(images=tuple(act.images)) for act in acts]
        except (ValueError, TypeError):
            raise DataError(f"{self.path} is damaged; fix the line that is not JSON, or move the file away") from None

    def add(self, act: Act) -> None:
        """Write one act; it is on disk when this returns. Raises OSError, and then it is not in the journal."""
        given = {key: value for key, value in act._asdict().items() if value or key not in Act._field_defaults}
        line = json.dumps(given, ensure_ascii=False).encode() + b"\n"
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

    def fold(self, queue: str) -> tuple[str, int] | None:
        """Make a batch of the labels, an event of every new class and of every image that was set aside, and start anew.

        Returns its id and the number of labels; None: there was no label. queue: its name, for the source of the votes.
        """
        acts, votes = self.standing(), []
        for act in acts:
            source = f"{CLUSTER if act.do == 'sheet' else 'label:'}{queue}"
            votes += [Vote(image, act.label, self._annotator, act.time, source) for image in act.labeled]
        for act in acts:
            if act.new:
                self._ledger.record(Event("class", act.label, "", self._annotator, act.time))
            if act.do == "aside":
                self._ledger.record(Event("aside", act.image, act.label, self._annotator, act.time))
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
