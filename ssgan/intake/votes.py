"""Raw labels resolved to votes: which image, which annotator, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from ssgan.errors import DataError
from ssgan.intake.matching import Match
from ssgan.intake.options import ImportOptions
from ssgan.intake.raw_label import USER_NUMBER, ParsedFile, RawLabel
from ssgan.ledger.store import LedgerFiles
from ssgan.ledger.vote import Vote, canonical_time
from ssgan.names import class_name

FINGERPRINT = 12  # hex digits behind the name of a file, so that its bytes are known again


class VoteInFile(NamedTuple):
    """A vote and its place in the file. named: whether the file or a person says who gave it."""

    vote: Vote
    where: str
    named: bool = True


class LabelWithoutImage(NamedTuple):
    """A label whose image is unknown or unclear, and what was found instead."""

    raw: RawLabel
    match: Match


@dataclass
class ResolvedVotes:
    """The votes of a file. lost: labels without an image. cut: beginnings of paths that were left away, counted."""

    votes: list[VoteInFile] = field(default_factory=list)
    lost: list[LabelWithoutImage] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)


class Who(NamedTuple):
    """An annotator. named: see ``VoteInFile``."""

    name: str
    named: bool


def resolve_votes(
    parsed: ParsedFile, matches: Sequence[Match], name: str, files: LedgerFiles, options: ImportOptions
) -> ResolvedVotes:
    """The votes that a file holds.

    Who and when: as in the file, else as the options say, else as recorded when the same content was imported before, else the
    file's name stands for somebody, and the file's own time counts.

    Args:
        matches: of each label of the file.
        name: of the file.

    Raises:
        DataError: for an invalid time.
    """
    source = f"{name}#{parsed.fingerprint[:FINGERPRINT]}"
    before = _recorded(files, source)
    default = canonical_time(options.time or parsed.time)
    found = ResolvedVotes()
    for given, match in zip(parsed.labels, matches, strict=True):
        raw = given._replace(label=class_name(given.label))
        if match.image is None:
            found.lost.append(LabelWithoutImage(raw, match))
            continue
        if match.cut:
            found.cut[match.cut] += 1
        recorded = before.get((match.image, raw.label), {})
        who = who_said(raw, options.annotator, name, recorded)
        when = _time(raw) or ("" if options.time else recorded.get(who.name, "")) or default
        vote = Vote(match.image, raw.label, who.name, when, source, _settles(raw))
        found.votes.append(VoteInFile(vote, raw.where, who.named))
    return found


def _recorded(files: LedgerFiles, source: str) -> dict[tuple[str, str], dict[str, str]]:
    """What the same content brought before: of each image and label, the annotators with their times."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for vote in chain.from_iterable(files.votes.values()):
        if same_content(vote.source, source):
            found.setdefault((vote.image, vote.label), {})[vote.annotator] = vote.time
    return found


def who_said(raw: RawLabel, annotator: str, file: str, recorded: Iterable[str]) -> Who:
    """Who gave a label: as in the file, else as a person says, else as recorded, else the file stands for somebody.

    A number that a tool gave to a user is no name, for every installation has a user 1; ``annotator`` says whose it is.
    """
    number = raw.annotator.removeprefix(USER_NUMBER) if raw.annotator.startswith(USER_NUMBER) else ""
    if raw.annotator and not number:
        return Who(raw.annotator, named=True)
    if annotator:
        return Who(f"{annotator} user {number}" if number else annotator, named=True)
    known = [name for name in recorded if not number or name.endswith(f" user {number}")]
    return Who(known[0], named=True) if len(known) == 1 else Who(raw.annotator or file, named=False)


def same_content(one: str, other: str) -> bool:
    """Whether two sources of votes are files of the same content."""
    return one[-FINGERPRINT - 1 :] == other[-FINGERPRINT - 1 :]


def _time(raw: RawLabel) -> str:
    return _canonical(raw.time, raw) if raw.time else ""


def _settles(raw: RawLabel) -> str:
    return _canonical(raw.settles, raw) if raw.settles else ""


def _canonical(time: str, raw: RawLabel) -> str:
    try:
        return canonical_time(time)
    except DataError as error:
        raise DataError(f"{raw.where}: {error}") from None
