"""Raw labels resolved to votes: which image, which annotator, and when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from ssgan.errors import DataError
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import LabelFormat, ParsedFile, RawLabel
from ssgan.ledger.store import LedgerFiles
from ssgan.ledger.vote import Vote, canonical_time

FINGERPRINT = 12  # hex digits behind the name of a file, so that its bytes are known again


class VoteInFile(NamedTuple):
    """A vote and its place in the file."""

    vote: Vote
    where: str


@dataclass
class ResolvedVotes:
    """The votes of a file. unknown: labels of images that were not ingested. stripped: path prefixes, counted."""

    votes: list[VoteInFile] = field(default_factory=list)
    unknown: list[RawLabel] = field(default_factory=list)
    stripped: Counter[str] = field(default_factory=Counter)


def resolve_votes(
    parsed: ParsedFile, name: str, project: ProjectIndex, files: LedgerFiles, annotator: str, time: str
) -> ResolvedVotes:
    """The votes that a file holds.

    Who: as in the file, else ``annotator``, else the file's name (so that a corrected file replaces its earlier labels).
    When: as in the file, else ``time``, else as recorded when the same content was imported before, else the file's own time.

    Args:
        name: of the file.

    Raises:
        DataError: for an invalid time.
    """
    source = f"{name}#{parsed.fingerprint[:FINGERPRINT]}"
    before = {
        (vote.image, vote.label, vote.annotator): vote.time
        for votes in files.votes.values()
        for vote in votes
        if vote.source.endswith(source[-FINGERPRINT - 1 :])
    }
    default = canonical_time(time or parsed.time)
    by_suffix = parsed.kind in (LabelFormat.label_studio, LabelFormat.coco)
    found = ResolvedVotes()
    for raw in parsed.labels:
        image, stripped = project.resolve(raw, by_suffix)
        if image is None:
            found.unknown.append(raw)
            continue
        if stripped:
            found.stripped[stripped] += 1
        who = raw.annotator or annotator or name
        recorded = "" if time else before.get((image, raw.label, who), "")
        when = _time(raw) or recorded or default
        found.votes.append(VoteInFile(Vote(image, raw.label, who, when, source, _settles(raw)), raw.where))
    return found


def _time(raw: RawLabel) -> str:
    return _canonical(raw.time, raw) if raw.time else ""


def _settles(raw: RawLabel) -> str:
    return _canonical(raw.settles, raw) if raw.settles else ""


def _canonical(time: str, raw: RawLabel) -> str:
    try:
        return canonical_time(time)
    except DataError as error:
        raise DataError(f"{raw.where}: {error}") from None
