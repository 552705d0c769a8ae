"""The suspects for people: a CSV file, which is a queue for ``ssgan label`` too, and a contact sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import jinja2

from ssgan import atomic
from ssgan.ledger import Vote
from ssgan.report.images import picture
from ssgan.selection.audit import SETS, Audit, Suspect
from ssgan.selection.pool import U8
from ssgan.wording import counted

WORDS = {"labeled": "the labeled set", "val": "validation"}
TABLE, SHEET = "suspects.csv", "suspects.html"
COLUMNS = ("rank", "sha256", "path", "set", "given", "probability_given", "suggested", "probability_suggested", "votes")


ShowOriginals = Callable[[Sequence[str], Sequence[str]], list[bytes | None]]  # ids, paths -> JPEG, where there is more to see


def write(
    out: Path, found: Audit, pixels: U8, votes: Mapping[str, Sequence[Vote]], show: int, originals: ShowOriginals
) -> None:
    """Write both files into ``out``; the sheet shows the first ``show`` suspects. ``pixels`` are those of ``Labeled``."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {TABLE: table(found.suspects, votes), SHEET: sheet(found, pixels, out / TABLE, show, originals)}
    for name, text in texts.items():
        atomic.write_text(out / name, text)


def table(suspects: Sequence[Suspect], votes: Mapping[str, Sequence[Vote]]) -> str:
    """The suspects as CSV, the worst first, with the votes. There is no column ``label``: it is for people to decide."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, one in enumerate(suspects, 1):
        shown_votes = "; ".join(map(_vote, votes.get(one.sha256, ())))
        numbers = {
            "probability_given": f"{one.probability_given:.4f}",
            "probability_suggested": f"{one.probability_suggested:.4f}",
        }
        row = {**one._asdict(), **numbers, "rank": rank, "votes": shown_votes}
        writer.writerow([row[column] for column in COLUMNS])
    return text.getvalue()


def _vote(vote: Vote) -> str:
    return f"{vote.annotator or 'unknown'}: {vote.label}" + (" (sheet of a cluster)" if vote.from_cluster else "")


def sheet(found: Audit, pixels: U8, queue: Path, show: int, originals: ShowOriginals) -> str:
    """One page without anything from the network."""
    first = found.suspects[:show]
    seen = originals([one.sha256 for one in first], [one.path for one in first])
    shown = [(one, picture(pixels[one.row], original)) for one, original in zip(first, seen, strict=True)]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = (resources.files(__package__) / "templates" / SHEET).read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=title(found), lead=lead(found), queue=queue, suspects=shown, words=WORDS, more=len(found.suspects) - len(shown)
    )


def title(found: Audit) -> str:
    """How many labels look wrong."""
    n = len(found.suspects)
    return f"{counted(n, 'label looks', 'labels look')} wrong" if n else "No label looks wrong"


def lead(found: Audit) -> str:
    """Of how many, and how many wrong ones there may be in all."""
    of_sets = ", ".join(f"{found.judged[name]:,} of {WORDS[name]}" for name in SETS)
    parts = [f"Checked: {counted(sum(found.judged.values()), 'label')} ({of_sets})."]
    if found.share is not None:
        parts.append(f"Confident learning estimates that {found.share:.1%} of them are wrong.")
    if found.unjudged:
        parts.append(f"{found.unjudged:,} more could not be checked: their class has too few images.")
    return " ".join(parts)
