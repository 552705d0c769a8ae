"""An import as text and as JSON."""

from __future__ import annotations

from typing import Any

from ssgan.intake.importing import Import
from ssgan.intake.review import NEEDS_A_PERSON, REMEDY, Kind, Review
from ssgan.names import is_placeholder

EXAMPLES = 3  # shown of each kind


def describe(found: Import, name: str) -> str:
    """A table of what is in the file: each kind with its count, a few examples, and what to do about it."""
    items = found.review.items
    total = sum(len(members) for kind, members in items.items() if kind is not Kind.problem)
    lines = [f"{name}: {_labels(total)} ({found.parsed.kind})"]
    for kind, members in items.items():
        if members:
            shown = "; ".join(f"{one.text} ({one.where})" if one.where else one.text for one in members[:EXAMPLES])
            more = f"; and {len(members) - EXAMPLES} more" if len(members) > EXAMPLES else ""
            lines.append(f"{'!' if kind in NEEDS_A_PERSON else ' '} {len(members):>7} {kind.value:<17} {shown}{more}")
    lines += [f"  new class: {name}" for name in found.new_classes]
    lines += [f"  {note}" for note in found.review.notes]
    remedies = [f"  {kind.value}: {remedy}" for kind, remedy in REMEDY.items() if items[kind]]
    remedies += [*_suggestions(found.review), *(f"  {hint}" for hint in found.review.hints)]  # those of classes: the last kind
    return "\n".join([*lines, *(["what to do:", *remedies] if remedies else [])])


def _labels(count: int) -> str:
    return f"{count or 'no'} label{'s' * (count > 1)}"


def _suggestions(review: Review) -> list[str]:
    counts: dict[str, int] = {}
    for item in review.items[Kind.unknown_class]:
        if item.vote:
            counts[item.vote.label] = counts.get(item.vote.label, 0) + 1
    return [f"    {name!r}, {_labels(counts[name])}{_meant(name, meant)}" for name, meant in review.suggestions.items()]


def _meant(name: str, known: list[str]) -> str:
    if is_placeholder(name):
        return f": no label? Then leave it empty; if it is a class: --new-class {name}"
    return f": did you mean {' or '.join(map(repr, known))}?" if known else ""


def not_recorded(found: Import) -> int:
    """Votes that contradict others and were left out. Once a person has decided, they change no label, and can come in."""
    accepted = set(found.review.accepted)
    return sum(item.vote is not None and item.vote not in accepted for item in found.review.items[Kind.conflict])


def as_json(found: Import, name: str, written: str | None, queue: str | None) -> dict[str, Any]:
    """The same for scripts. ``batch``: id of what was written, null if nothing was."""
    return {
        "file": name,
        "format": found.parsed.kind,
        "needs_a_person": found.review.needs_a_person,
        "counts": {kind.value: len(items) for kind, items in found.review.items.items()},
        "skipped": found.parsed.skipped,
        "items": {
            kind.value: [{"text": one.text, "where": one.where, "image": one.vote.image if one.vote else None} for one in items]
            for kind, items in found.review.items.items()
            if items and kind not in (Kind.new, Kind.unchanged, Kind.repeated)
        },
        "suggestions": found.review.suggestions,
        "hints": found.review.hints,
        "new_classes": list(found.new_classes),
        "batch": written,
        "queue": queue,
    }
