"""The folder of a ledger. Files are named by the hash of their content, so writing one again changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ssgan import atomic
from ssgan.errors import DataError
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy, State, make_state
from ssgan.ledger.taxonomy import Taxonomy, make_taxonomy
from ssgan.ledger.vote import Vote, canonical, canonical_time, to_line

ID_DIGITS = 16  # hex, of sha256
_FILE = re.compile(rf"([0-9a-f]{{{ID_DIGITS}}})\.jsonl")


class LedgerFiles(NamedTuple):
    """All that a ledger holds, undone or not, by id."""

    votes: dict[str, list[Vote]]
    events: dict[str, Event]

    @property
    def undone(self) -> dict[str, str]:
        """What no longer holds, with the id of the undo that says so."""
        found: dict[str, str] = {}
        by_target: dict[str, list[str]] = {}
        for name, event in sorted(self.events.items()):
            if event.event == "undo":
                by_target.setdefault(event.name, []).append(name)

        def holds(name: str) -> bool:  # ends: an undo holds the hash of what it undoes, so there are no cycles
            undo = next((one for one in by_target.get(name, []) if holds(one)), None)
            if undo is not None:
                found[name] = undo
            return undo is None

        for name in (*self.votes, *self.events):
            holds(name)
        return found

    @property
    def active_batches(self) -> dict[str, list[Vote]]:
        """The batches that were not undone."""
        undone = self.undone
        return {name: votes for name, votes in self.votes.items() if name not in undone}

    @property
    def taxonomy(self) -> Taxonomy:
        """The names of classes that follow from the events that were not undone."""
        undone = self.undone
        return make_taxonomy({name: event for name, event in self.events.items() if name not in undone})

    @property
    def aside(self) -> list[Event]:
        """What was set aside and was not taken back, in order of time."""
        undone = self.undone
        found = [event for name, event in self.events.items() if event.event == "aside" and name not in undone]
        return sorted(found, key=lambda event: (event.time, event))

    def state(self, policy: Policy) -> State:
        """See ``Ledger.state``."""
        return make_state(chain.from_iterable(self.active_batches.values()), self.taxonomy, policy)


class Ledger:
    """A label ledger. Opening one reads nothing; a folder that does not exist is an empty ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def append(self, votes: Sequence[Vote]) -> str:
        """Add a batch of votes; the same votes again, in any order, are the same batch. Returns its id.

        Raises:
            DataError: for no vote at all, or one that is not what ``Vote`` says.
        """
        if not votes:
            raise DataError("a batch needs at least one vote")
        return self._write(lines_of(votes))

    def record(self, event: Event) -> str:
        """Add an event. Returns its id."""
        return self._write([_event_line(event._replace(time=canonical_time(event.time)))])

    def read(self) -> LedgerFiles:
        """Everything, also what was undone.

        Raises:
            DataError: a file was changed after it was written, or does not belong here.
        """
        votes: dict[str, list[Vote]] = {}
        events: dict[str, Event] = {}
        for path in self._paths():
            content = _parse(path)
            if isinstance(content, Event):
                events[path.stem] = content
            else:
                votes[path.stem] = content
        return LedgerFiles(votes, events)

    def batches(self) -> dict[str, list[Vote]]:
        """The votes of each batch that was not undone, in canonical order."""
        return self.read().active_batches

    def taxonomy(self) -> Taxonomy:
        """Names of classes today, by the events that were not undone."""
        return self.read().taxonomy

    def aside(self) -> list[Event]:
        """Images that people looked at and gave no class; see ``Event``."""
        return self.read().aside

    def state(self, policy: Policy = "require_agreement") -> State:
        """The label of each image, and the images that the policy cannot decide on."""
        return self.read().state(policy)

    def _paths(self) -> list[Path]:
        folder = self.folder / "batches"
        paths = sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
        unexpected = [path for path in paths if not _FILE.fullmatch(path.name)]
        if unexpected:
            raise DataError(f"{unexpected[0]} is not a batch of this ledger; move it away (only `ssgan labels` writes here)")
        return paths

    def _write(self, lines: list[str]) -> str:
        text = "".join(f"{line}\n" for line in lines)
        path = self.folder / "batches" / f"{_id_of(text)}.jsonl"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, text)
        return path.stem


def lines_of(votes: Iterable[Vote]) -> list[str]:
    """The canonical lines of a batch: sorted, each once. Raises DataError for a vote that cannot be."""
    return sorted({to_line(canonical(vote)._asdict()) for vote in votes})


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def _event_line(event: Event) -> str:
    return to_line(event._asdict())


def _parse(path: Path) -> list[Vote] | Event:
    """What a file says. Line ends do not matter (git may have changed them), anything else does."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        content: list[Vote] | Event
        if "event" in rows[0]:
            content = Event(**{**dict.fromkeys(Event._fields, ""), **rows[0]})
            lines = [_event_line(content)]
        else:
            content = [Vote(**{"annotator": "", "source": "", **row}) for row in rows]
            lines = [to_line(vote._asdict()) for vote in content]
        same = len(lines) == len(rows) and _id_of("".join(f"{line}\n" for line in lines)) == path.stem
    except (ValueError, TypeError, IndexError, AttributeError):
        same = False
    if not same:
        raise DataError(f"{path} is not what was written: its content does not fit its name; restore it from git")
    return content
