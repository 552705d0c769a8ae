"""One statement of one annotator about one image, and the one text that it has in a ledger."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ssgan.errors import DataError
from ssgan.names import class_name

_SHA256 = re.compile(r"[0-9a-f]{64}")


Key = tuple[str, str, str, str, str]
CLUSTER = "cluster:"  # how the source of a vote begins that was given to a whole sheet of images


class Vote(NamedTuple):
    """One person's statement "this image shows that class".

    image: hex sha256 of the file's bytes. label: name of a class, as given. annotator: who; two votes of one annotator are one
    opinion that changed. time: ISO 8601, UTC. source: the file that it was imported from, or ``label:QUEUE`` or
    ``cluster:QUEUE`` where it was given on the page of ``ssgan label``.
    settles: empty for an ordinary vote. A *decision* of a person who looked at all votes up to the time ``settles``: these
    no longer count.
    """

    image: str
    label: str
    annotator: str
    time: str
    source: str
    settles: str = ""

    @property
    def key(self) -> Key:
        """What makes it the same statement, whichever file repeats it."""
        return self.image, self.label, self.annotator, self.time, self.settles

    @property
    def from_cluster(self) -> bool:
        """Whether it was given to a sheet of images at once."""
        return self.source.startswith(CLUSTER)


@lru_cache(maxsize=4096)  # thousands of votes of one file often share a time
def canonical_time(text: str) -> str:
    """The same instant as ``2026-02-07T12:00:00.000Z``: as text, earlier is smaller. Without a zone it is taken as UTC.

    Raises:
        DataError: if it is not a date or time of ISO 8601.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise DataError(f"{text!r} is not a time; write it as 2026-02-07 or 2026-02-07T12:00:00+01:00 (ISO 8601)") from None
    return time_text(time if time.tzinfo else time.replace(tzinfo=UTC))


def time_text(time: datetime) -> str:
    """Canonical text of a moment that knows its zone."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(vote: Vote) -> Vote:
    """The vote as a ledger holds it. Raises DataError where a field cannot be what it should be."""
    image, label = vote.image.lower(), class_name(vote.label)
    if not _SHA256.fullmatch(image):
        raise DataError(f"a vote names the image {vote.image!r}; it must be the sha256 of the file's bytes, 64 hex digits")
    if not label:
        raise DataError(f"a vote for image {image[:12]} has an empty label; leave such votes out")
    settles = canonical_time(vote.settles) if vote.settles else ""
    return Vote(image, label, vote.annotator.strip(), canonical_time(vote.time), vote.source, settles)


def to_line(fields: dict[str, Any]) -> str:
    """One line of a ledger file: JSON with sorted keys; empty values are left out."""
    return json.dumps({k: v for k, v in fields.items() if v != ""}, sort_keys=True, ensure_ascii=False)
