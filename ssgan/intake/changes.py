"""Events that people ask for, checked before they are recorded, and the history of one image."""

from __future__ import annotations

from typing import Any

from ssgan.data.classes import ClassRegistry
from ssgan.errors import ConfigError
from ssgan.intake.importing import class_names, now, require_class, require_free
from ssgan.intake.ledger_status import undecided
from ssgan.intake.project_index import ProjectIndex
from ssgan.ledger.event import Event
from ssgan.ledger.state import Policy, State
from ssgan.ledger.store import Ledger
from ssgan.names import class_name
from ssgan.wording import counted


def rename(ledger: Ledger, old: str, new: str, by: str, registry: ClassRegistry) -> str:
    """Record a rename; returns a message. Raises ConfigError for a name that cannot be used."""
    state, old, new = ledger.state(), class_name(old), class_name(new)
    require_class(old, state, registry)
    require_free(new, state, registry)
    event = ledger.record(Event("rename", old, new, by, now()))
    return (
        f"{old!r} is {new!r} from now on, with the same id; classes.json follows with `dvc repro`\n"
        f"`ssgan labels undo {event}` takes it back"
    )


def merge(ledger: Ledger, name: str, into: str, by: str, registry: ClassRegistry) -> str:
    """Record a merge; returns a message. Raises ConfigError for a name that cannot be used."""
    state, name, into = ledger.state("latest"), class_name(name), class_name(into)
    for one in (name, into):
        require_class(one, state, registry)
    if name == into:
        raise ConfigError(f"{name!r} cannot be merged into itself; name two classes")
    images = sum(label == name for label in state.labels.values())
    event = ledger.record(Event("merge", name, into, by, now()))
    return (
        f"{counted(images, 'image')} of {name!r} are {into!r} from now on, those of val and test too; the id of {name!r} "
        f"is retired\n`ssgan labels undo {event}` takes it back"
    )


def undo(ledger: Ledger, prefix: str, by: str, policy: Policy, registry: ClassRegistry) -> str:
    """Take back a batch or an event, named by the beginning of its id; returns a message.

    Raises:
        ConfigError: no id begins so, several do, or it was undone already.
    """
    files = ledger.read()
    found = sorted(name for name in (*files.votes, *files.events) if name.startswith(prefix))
    if len(found) != 1:
        which = f"{len(found)} ids begin with" if found else "no batch and no event has an id that begins with"
        raise ConfigError(f"{which} {prefix!r}; `ssgan labels status` lists them")
    target = found[0]
    if target in files.undone:
        raise ConfigError(f"{target} was taken back by {files.undone[target]} already; to have it again, undo that one")
    before = files.state(policy)
    event = ledger.record(Event("undo", target, "", by, now()))
    after = ledger.state(policy)
    what = counted(len(files.votes[target]), "vote") if target in files.votes else f"the {files.events[target].event}"
    return (
        f"taken back: {what} of {target}; {_difference(before, after)}{_undecided_note(after, registry)}\n"
        f"`ssgan labels undo {event}` restores it"
    )


def _undecided_note(state: State, registry: ClassRegistry) -> str:
    names = undecided(state, class_names(registry, state.taxonomy))
    return f"\nNOTE: votes name {', '.join(map(repr, names))}, which is then not a class" if names else ""


def _difference(before: State, after: State) -> str:
    lost = sum(image not in after.labels for image in before.labels)
    gained = sum(image not in before.labels for image in after.labels)
    other = sum(label != after.labels.get(image, label) for image, label in before.labels.items())
    return f"{counted(lost, 'image loses its label', 'images lose their label')}, {gained} get one, {other} get another one"


def blame(ledger: Ledger, image: str, project: ProjectIndex, policy: Policy) -> dict[str, Any]:
    """All votes on an image, those that were taken back too, in order of time.

    Raises:
        ConfigError: no image matches, or several do.
    """
    files = ledger.read()
    state = files.state(policy)
    voted = {vote.image for votes in files.votes.values() for vote in votes}
    found = project.find(image) or sorted(one for one in voted if len(image) >= 4 and one.startswith(image.lower()))
    if len(found) != 1:
        which = (
            f"{counted(len(found), 'image begins', 'images begin')} with {image!r}; give more digits"
            if found
            else f"there is no image {image!r}"
        )
        raise ConfigError(f"{which} (a path as in data/index, or at least 4 digits of its sha256)")
    undone = files.undone
    votes = [
        {**vote._asdict(), "batch": batch, "undone_by": undone.get(batch)}
        for batch, members in files.votes.items()
        for vote in members
        if vote.image == found[0]
    ]
    return {
        "image": found[0],
        "path": project.path.get(found[0]),
        "label": state.labels.get(found[0]),
        "conflict": found[0] in state.conflicts,
        "policy": policy,
        "votes": sorted(votes, key=lambda vote: (vote["time"], vote["batch"])),
    }


def describe_blame(found: dict[str, Any]) -> str:
    """The history of an image for people."""
    verdict = "in conflict" if found["conflict"] else f"labeled {found['label']!r}" if found["label"] else "without a label"
    lines = [f"{found['path'] or 'not ingested'} ({found['image']}): {verdict}, by {found['policy']}"]
    for vote in found["votes"]:
        decision = f", decides on all until {vote['settles']}" if vote["settles"] else ""
        undone = f"  UNDONE by {vote['undone_by']}" if vote["undone_by"] else ""
        text = f"{vote['label']!r} by {vote['annotator'] or 'unknown'} from {vote['source']}"
        lines.append(f"  {vote['time']}  {text}, batch {vote['batch']}{decision}{undone}")
    return "\n".join(lines)
