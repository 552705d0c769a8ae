"""The registry of models in ``storage.url``: immutable versions, and a log that says which of them has which name.

    registry/versions/m-0123456789abcdef/   the files of a version; its name is a hash of them
    registry/log/00000001.json              one move of a name each, never rewritten; the newest entry holds all names

The log is the only truth: moving a name *is* writing the next entry, which storage does for one writer only. So a move
without its audit line cannot exist, and of two promoters who saw the same state exactly one wins. Every entry carries the hash
of the one before it, so that a changed or removed line is noticed.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from ssgan import __version__
from ssgan.errors import CheckpointError, ConfigError, StorageError, UnusableError
from ssgan.registry.version import CARD, Version, name_of, open_version
from ssgan.storage.retries import RetryLimits
from ssgan.storage.write_once import open_once
from ssgan.wording import counted

VERSIONS, LOG, MARK = "registry/versions", "registry/log", "registry/format.json"
CHAMPION, PREVIOUS = "champion", "previous"
ALIAS, VERSION = re.compile(r"[a-z][a-z0-9_-]{0,39}"), re.compile(r"m-[0-9a-f]{4,16}")
FORMAT, WITH_LICENSE = 1, 2  # of an entry, and of one that says that a license was accepted


class RaceError(StorageError):
    """Someone else moved the name meanwhile."""


@dataclass(frozen=True)
class Move:
    """One line of the audit log. ``aliases`` is the whole state after it."""

    serial: int
    when: str  # UTC, ISO 8601
    by: str
    alias: str
    before: str | None  # version that had the name
    to: str
    kind: str  # gate: by a passing verdict; forced; rollback
    verdict: str | None  # sha256 of the verdict file
    why: str | None
    aliases: dict[str, str]
    parent: str | None  # sha256 of the entry before
    id: str  # random: two promoters never write the same bytes
    ssgan: str = __version__
    format: int = FORMAT
    license: str | None = None  # of the backbone's weights, where it restricts and was accepted with this move

    def dump(self) -> bytes:
        """The bytes of the entry, with a digest of themselves: a damaged entry must not pass for another state."""
        values = {key: value for key, value in asdict(self).items() if key != "license" or value}
        content = json.dumps(values, sort_keys=True)
        whole = {**values, "digest": hashlib.sha256(content.encode()).hexdigest()}
        return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True)
class Reason:
    """Why a name is moved, and by whom; see ``Move``."""

    by: str
    kind: str
    verdict: str | None = None
    why: str | None = None
    license: str | None = None


class Registry:
    """Reads and moves names. Methods raise StorageError where storage fails, UnusableError for damaged content."""

    def __init__(self, url: str, limits: RetryLimits | None = None) -> None:
        self.url, self._store = url, open_once(url, limits)

    def last(self) -> Move | None:
        """The newest move: the present state. None in an empty registry."""
        names = self._entries()
        return self._read(names[-1]) if names else None

    def aliases(self) -> dict[str, str]:
        """Version by name, now."""
        last = self.last()
        return dict(last.aliases) if last else {}

    def history(self) -> list[Move]:
        """All moves, oldest first. Raises UnusableError where one was changed or removed."""
        moves = [self._read(name) for name in self._entries()]
        for before, move in zip([None, *moves], moves, strict=False):
            if move.parent != (_sha256(before) if before else None):
                raise UnusableError(
                    f"{self.url}: entry {move.serial} of {LOG} does not follow from the one before: the log was changed; "
                    "restore it from a backup or the bucket's versions"
                )
        return moves

    def versions(self) -> list[str]:
        """Names of all complete versions, sorted."""
        return [key.removeprefix(f"{VERSIONS}/") for key in self._store.keys(VERSIONS)]

    def find(self, name: str) -> str | None:
        """The version behind an alias, or behind (the start of) a version's name; None for an alias that no model has yet.

        Raises:
            ConfigError: it can be neither, or no version or several start so.
        """
        if VERSION.fullmatch(name):
            found = [version for version in self.versions() if version.startswith(name)]
            if len(found) != 1:
                problem = (
                    f"{counted(len(found), 'version starts', 'versions start')} with {name}"
                    if found
                    else f"there is no version {name}"
                )
                raise ConfigError(f"{problem} in {self.url}; `ssgan models list` shows all")
            return found[0]
        return self.aliases().get(checked_alias(name))

    def fetch(self, version: str, folder: Path) -> Version:
        """A version into the new folder, every file checked by its hash."""
        self._store.get(f"{VERSIONS}/{version}", folder)
        return open_version(folder, version)

    def add(self, version: Version) -> None:
        """Keep a version for good. One that is there already stays as it is.

        Raises CheckpointError where its files are not those that it was named after.
        """
        if (found := name_of(version.folder)) != version.id:
            raise CheckpointError(f"the files of {version.id} are those of {found} by now, so they are not kept; make it again")
        self._store.keep(version.folder, f"{VERSIONS}/{version.id}")

    def move(self, alias: str, to: str, expected: str | None, reason: Reason) -> Move:
        """Let ``alias`` mean ``to``, if it still means ``expected`` (None: nothing yet).

        ``previous`` follows ``champion``. Moves of other names in between do not matter.

        Raises:
            RaceError: someone else moved it first. StorageError: storage cannot tell who came first.
        """
        self._store.require_conditional_writes(MARK)
        while True:
            last = self.last()
            held = last.aliases.get(alias) if last else None
            if held != expected:
                who = f"{last.by} at {last.when}" if last else "none"
                raise RaceError(
                    f"{alias} is {held or 'nothing'} by now, not {expected or 'nothing'} (last move: {who}), so nothing was "
                    f"moved; run `ssgan compare {alias} ...` again, against the new one"
                )
            move = _next(last, alias, to, reason)
            if self._store.create(_entry(move.serial), move.dump()):
                return move

    def _entries(self) -> list[str]:
        """Names of the entries, oldest first. Raises UnusableError where one is missing."""
        names = [name for name in self._store.names(LOG) if name.endswith(".json")]
        expected = [_entry(i + 1) for i in range(len(names))]
        if names != expected:
            gone = next(e for e, n in zip(expected, names, strict=True) if e != n)
            raise UnusableError(f"{self.url}: {gone} is missing; restore it from a backup or the bucket's versions")
        return names

    def _read(self, name: str) -> Move:
        data = self._store.read(name)
        try:
            raw = json.loads(data)
            if raw["format"] not in (FORMAT, WITH_LICENSE):
                raise StorageError(
                    f"{self.url}: {name} has format {raw['format']}, this ssgan reads up to {WITH_LICENSE}; update ssgan"
                )
            move = Move(
                **{field.name: raw[field.name] for field in fields(Move) if field.name in raw or field.name != "license"}
            )
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise UnusableError(f"{self.url}: {name} is damaged ({error!r}); restore it from a backup") from None
        if move.dump() != data or name != _entry(move.serial):
            raise UnusableError(f"{self.url}: {name} was changed after it was written; restore it from a backup")
        return move


def fetch_with_card(registry: Registry, name: str, into: Path) -> Version:
    """A version by its alias or name into the new folder ``into``; its card also tells how it came to its names.

    Raises:
        ConfigError: no model has that name.
    """
    from ssgan.report.card import approvals

    version = registry.find(name)
    if version is None:
        raise ConfigError(f"no model is named {name!r} in {registry.url}; `ssgan models list` shows those that there are")
    fetched, moves = registry.fetch(version, into), [move for move in registry.history() if move.to == version]
    with (into / CARD).open("a", encoding="utf-8") as file:
        file.write(approvals([asdict(move) for move in moves]))
    return fetched


def checked_alias(name: str) -> str:
    """``name`` if it can be an alias. Raises ConfigError."""
    if not ALIAS.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a folder here, nor a version (m-...), nor a valid alias; aliases are lowercase letters, "
            "digits, - and _; `ssgan models list` shows those that there are"
        )
    return name


def _next(last: Move | None, alias: str, to: str, reason: Reason) -> Move:
    before = last.aliases if last else {}
    aliases = {**before, alias: to}
    if alias == CHAMPION and alias in before:
        aliases[PREVIOUS] = before[alias]
    return Move(
        serial=last.serial + 1 if last else 1,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        by=reason.by,
        alias=alias,
        before=before.get(alias),
        to=to,
        kind=reason.kind,
        verdict=reason.verdict,
        why=reason.why,
        aliases=dict(sorted(aliases.items())),
        parent=_sha256(last) if last else None,
        id=uuid.uuid4().hex,
        format=WITH_LICENSE if reason.license else FORMAT,
        license=reason.license,
    )


def _entry(serial: int) -> str:
    return f"{LOG}/{serial:08d}.json"


def _sha256(move: Move) -> str:
    return hashlib.sha256(move.dump()).hexdigest()
