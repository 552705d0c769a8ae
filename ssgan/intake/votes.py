"""Labels as votes: which image that is, who said it, and when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from ssgan.errors import DataError
from ssgan.intake.known import Known
from ssgan.intake.said import Format, Read, Said
from ssgan.ledger.store import Files
from ssgan.ledger.vote import Vote, canonical_time

FINGERPRINT = 12  # hex digits behind the name of a file, so that its bytes are known again


class Incoming(NamedTuple):
    """A vote, and where it stands in the file."""

    vote: Vote
    where: str


@dataclass
class Incomings:
    """The votes of a file. unknown: labels for images that were not ingested. cut: beginnings of paths that were left away."""

    votes: list[Incoming] = field(default_factory=list)
    unknown: list[Said] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)


def votes_of(read: Read, name: str, known: Known, files: Files, annotator: str, time: str) -> Incomings:
    """The votes that a file holds.

    Who: the file says, else ``annotator``, else the file's name (so that a corrected file replaces what it said before).
    When: the file says, else ``time``, else what was noted when the same content came before, else the file's own time.

    Args:
        name: of the file.

    Raises:
        DataError: for a time that is none.
    """
    source = f"{name}#{read.fingerprint[:FINGERPRINT]}"
    before = {
        (vote.image, vote.label, vote.annotator): vote.time
        for votes in files.votes.values()
        for vote in votes
        if vote.source.endswith(source[-FINGERPRINT - 1 :])
    }
    default = canonical_time(time or read.time)
    by_end = read.kind in (Format.label_studio, Format.coco)
    found = Incomings()
    for said in read.said:
        image, cut = known.image(said, by_end)
        if image is None:
            found.unknown.append(said)
            continue
        if cut:
            found.cut[cut] += 1
        who = said.annotator or annotator or name
        noted = "" if time else before.get((image, said.label, who), "")
        when = _time(said) or noted or default
        found.votes.append(Incoming(Vote(image, said.label, who, when, source, _settles(said)), said.where))
    return found


def _time(said: Said) -> str:
    return _canonical(said.time, said) if said.time else ""


def _settles(said: Said) -> str:
    return _canonical(said.settles, said) if said.settles else ""


def _canonical(time: str, said: Said) -> str:
    try:
        return canonical_time(time)
    except DataError as error:
        raise DataError(f"{said.where}: {error}") from None
