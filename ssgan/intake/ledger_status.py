"""Counts of the whole ledger: what ``ssgan labels status`` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from ssgan.ledger.state import State
from ssgan.ledger.store import LedgerFiles
from ssgan.ledger.vote import Vote
from ssgan.wording import counted

SHOWN = 10  # newest batches and events


def ledger_status(files: LedgerFiles, state: State, classes: list[str]) -> dict[str, Any]:
    """Counts of everything. ``agreement``: of each pair of annotators, images that both voted on, and how many alike."""
    undone = files.undone
    labels = Counter(state.labels.values())
    undecided_names = undecided(state, classes)
    return {
        "images_with_votes": len(state.votes),
        "labeled": len(state.labels),
        "conflicts": len(state.conflicts),
        "votes": sum(map(len, state.votes.values())),
        "aside": len({event.name for event in files.aside} - set(state.labels)),
        "votes_for_sheets": sum(vote.from_cluster for votes in state.votes.values() for vote in votes),
        "classes": {name: labels[name] for name in [*classes, *undecided_names]},
        "undecided_classes": undecided_names,
        "agreement": agreement(state.votes.values()),
        "contradictions": state.taxonomy.contradictions,
        "batches": [_batch(name, votes, undone.get(name)) for name, votes in _by_time(files)],
        "events": [
            {"id": name, **{k: v for k, v in event._asdict().items() if v}, "undone_by": undone.get(name)}
            for name, event in sorted(files.events.items(), key=lambda item: (item[1].time, item[0]))
        ],
    }


def undecided(state: State, classes: list[str]) -> list[str]:
    """Names used by votes that no decision has made a class."""
    return sorted({vote.label for votes in state.votes.values() for vote in votes} - set(classes))


def _by_time(files: LedgerFiles) -> list[tuple[str, list[Vote]]]:
    return sorted(files.votes.items(), key=lambda item: (max(vote.time for vote in item[1]), item[0]))


def _batch(name: str, votes: list[Vote], undone: str | None) -> dict[str, Any]:
    return {
        "id": name,
        "votes": len(votes),
        "until": max(vote.time for vote in votes),
        "annotators": sorted({vote.annotator for vote in votes}),
        "sources": sorted({vote.source for vote in votes}),
        "undone_by": undone,
    }


def agreement(by_image: Iterable[list[Vote]]) -> list[dict[str, Any]]:
    """How often two annotators, each by the newest vote, say the same of one image. Decisions are left out: whoever decides has
    seen the other votes."""
    both: Counter[tuple[str, str]] = Counter()
    alike: Counter[tuple[str, str]] = Counter()
    for votes in by_image:
        newest = {vote.annotator: vote.label for vote in votes if not vote.settles}  # in order of time: the last one stays
        for pair in combinations(sorted(newest), 2):
            both[pair] += 1
            alike[pair] += newest[pair[0]] == newest[pair[1]]
    return [{"annotators": list(pair), "images": n, "alike": alike[pair]} for pair, n in sorted(both.items())]


def describe(status: dict[str, Any]) -> str:
    """The status as text."""
    lines = [
        f"{counted(status['votes'], 'vote')} on {counted(status['images_with_votes'], 'image')}: {status['labeled']} labeled, "
        f"{status['conflicts']} in conflict" + (" (`ssgan labels conflicts`)" if status["conflicts"] else "")
    ]
    if status["aside"]:
        lines.append(f"  {counted(status['aside'], 'image was', 'images were')} looked at and set aside (`ssgan labels aside`)")
    if status["votes_for_sheets"]:
        lines.append(f"  {status['votes_for_sheets']} of the votes were given to whole sheets of a cluster, not image by image")
    width = max(map(len, status["classes"]), default=0)
    lines += [f"  {name:<{width}} {count:>7}" for name, count in status["classes"].items()]
    lines += [
        f"  {' and '.join(pair['annotators'])}: {pair['alike']} of {counted(pair['images'], 'image')} alike"
        for pair in status["agreement"]
    ]
    lines += [f"  {name!r} is used by votes, but is not a class; no event added it" for name in status["undecided_classes"]]
    lines += [f"CONTRADICTION: event {text}; `ssgan labels undo` one of the two" for text in status["contradictions"]]
    lines += _listed("batches", status["batches"], _batch_line) + _listed("events", status["events"], _event_line)
    return "\n".join(lines)


def _listed(what: str, items: list[dict[str, Any]], line: Any) -> list[str]:
    head = f"{what}: {len(items)}" + (f", the newest {SHOWN} of them" if len(items) > SHOWN else "")
    return [head, *(f"  {one['id']}  {line(one)}{_undone(one)}" for one in items[-SHOWN:])] if items else []


def _batch_line(one: dict[str, Any]) -> str:
    votes = counted(one["votes"], "vote")
    return f"{votes:>12} until {one['until'][:10]} by {', '.join(one['annotators'][:3])} from {one['sources'][0]}"


def _event_line(one: dict[str, Any]) -> str:
    return f"{one['time'][:10]} {one['event']} {one['name']}" + (f" -> {one['into']}" if "into" in one else "")


def _undone(one: dict[str, Any]) -> str:
    return f"  UNDONE by {one['undone_by']}" if one["undone_by"] else ""
